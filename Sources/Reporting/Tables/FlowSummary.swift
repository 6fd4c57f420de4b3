import Ledger
import Retention
import Transformer

/// What the numbers of a flow say, in sentences; nothing is said that they do not show.
enum FlowSummary {
  /// One sentence for every run of layers, and what follows for the table of a single layer.
  static func sentences(of flow: Flow) -> [String] {
    let silent = flow.point.silentPrefix
    guard flow.point.nC > 0 else {
      return ["There is no prefix: all gradient is from generated rows."]
    }
    guard silent > 0 else { return ["The prefix is row 0 alone, and it carries loss."] }
    let layers = runs(of: flow)
    guard !layers.isEmpty else { return [] }
    let cut = flow.point.mode.name == .detachedPrefix ? flow.point.cut : 0
    let rows =
      switch (cut, silent) {
      case (1..., cut + 1): "prefix row \(cut)"
      case (1..., (cut + 1)...): "prefix rows \(cut) to \(silent - 1)"
      case (_, flow.point.nC): "prefix rows"
      default: "prefix rows before row \(silent)"
      }
    return (cut > 0 ? ["Rows 0 to \(cut - 1) ran without a graph and give nothing."] : [])
      + layers.map { sentence(about: $0, rows, of: flow.point.model.layers) }
      + tableSentence(layers, of: flow) + boundarySentence(layers, row: silent)
  }

  /// Neighbouring layers in which the same weights get nothing from the silent prefix rows.
  private struct LayerRun {
    var layers: ClosedRange<Int>
    var weights: [WeightFlow]
    let none: [WeightFlow]
    let some: [WeightFlow]

    init(layer: Int, weights: [WeightFlow]) {
      layers = layer...layer
      self.weights = weights
      none = weights.filter { $0.silentNorm == 0 }
      some = weights.filter { $0.silentNorm != 0 }
    }

    /// Whether the same weights get nothing, by their labels.
    func isLike(_ other: LayerRun) -> Bool {
      none.map(FlowTable.label) == other.none.map(FlowTable.label)
        && some.map(FlowTable.label) == other.some.map(FlowTable.label)
    }
  }

  private static func runs(of flow: Flow) -> [LayerRun] {
    let named = named(in: flow)
    var runs: [LayerRun] = []
    for layer in 0..<flow.point.model.layers {
      let weights = named.filter { $0.layer == layer }
      guard !weights.isEmpty else { continue }
      let next = LayerRun(layer: layer, weights: weights)
      if let last = runs.last, last.isLike(next) {
        runs[runs.count - 1].layers = last.layers.lowerBound...layer
        runs[runs.count - 1].weights += weights
      } else {
        runs.append(next)
      }
    }
    return runs
  }

  /// The matrices of the layers, or, if none is trained, whatever else is.
  private static func named(in flow: Flow) -> [WeightFlow] {
    let weights = flow.weights.filter { $0.layer != nil }
    let matrices = weights.filter {
      if case .linear = $0.role.module.family { $0.role.kind == .weight } else { false }
    }
    return matrices.isEmpty ? weights : matrices
  }

  private static func sentence(about run: LayerRun, _ rows: String, of count: Int) -> String {
    let (first, last) = (run.layers.lowerBound, run.layers.upperBound)
    let place =
      first == last
      ? "In layer \(first)" + (count > 1 && last == count - 1 ? ", the last," : "")
      : "In layers \(first) \(last == first + 1 ? "and" : "to") \(last)"
    if run.none.isEmpty { return "\(place) \(rows) feed \(list(run.some))." }
    if run.some.isEmpty { return "\(place) \(rows) give exactly nothing." }
    return "\(place) \(rows) give exactly nothing to \(list(run.none)), and feed "
      + "\(list(run.some))."
  }

  /// Whether the table of one layer holds: nothing for W_Q, W_O, MLP, something for W_K, W_V.
  private static func tableSentence(_ runs: [LayerRun], of flow: Flow) -> [String] {
    let layers = flow.point.model.layers
    guard layers > 1, let last = runs.last, last.layers == layers - 1...layers - 1,
      runs.first?.layers.lowerBound == 0
    else { return [] }
    func holds(_ run: LayerRun) -> Bool {
      func modules(_ weights: [WeightFlow]) -> Set<Module> {
        Set(weights.filter { $0.role.kind == .weight }.map(\.role.module))
      }
      return modules(run.none).isSuperset(of: [.query, .attentionOutput, .up, .down])
        && modules(run.some).isSuperset(of: [.key, .value])
    }
    guard holds(last), !runs.dropLast().contains(where: holds) else { return [] }
    return [
      "So what holds for a single layer, nothing for W_Q, W_O and the MLP, holds in the last layer "
        + "only."
    ]
  }

  /// What the last prefix row gives where the others give nothing.
  private static func boundarySentence(_ runs: [LayerRun], row: Int) -> [String] {
    let alone = runs.flatMap(\.weights).contains {
      $0.silentNorm == 0 && ($0.boundaryNorm ?? 0) > 0
    }
    guard alone else { return [] }
    return [
      "Row \(row) belongs to the prefix and carries loss; where the rows before it give nothing, "
        + "it alone makes the prefix's part."
    ]
  }

  private static func list(_ weights: [WeightFlow]) -> String {
    let names = weights.map(FlowTable.label)
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}
