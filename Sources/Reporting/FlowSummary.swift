import Retention
import Transformer

/// What the numbers of a flow say, in sentences; nothing is said that they do not show.
enum FlowSummary {
  /// One sentence for every stretch of layers, and what follows for the table of a single layer.
  static func sentences(of flow: Flow) -> [String] {
    let silent = flow.point.silentPrefix
    guard flow.point.nC > 0 else { return ["There is no prefix: all gradient is from G."] }
    guard silent > 0 else {
      return ["The prefix is row 0 alone, and it carries loss."]
    }
    let layers = stretches(of: flow)
    guard !layers.isEmpty else { return [] }
    let cut = flow.point.mode.name == .detachedPrefix ? flow.point.cut : 0
    let rows =
      cut > 0 && cut < silent
      ? cut + 1 == silent ? "prefix row \(cut)" : "prefix rows \(cut) to \(silent - 1)"
      : silent < flow.point.nC ? "prefix rows before row \(silent)" : "prefix rows"
    return (cut > 0 ? ["Rows 0 to \(cut - 1) ran without a graph and give nothing."] : [])
      + layers.map { sentence(about: $0, rows, of: flow.point.model.layers) }
      + tableSentence(layers, of: flow) + boundarySentence(layers, row: silent)
  }

  /// Neighbouring layers in which the same weights get nothing from the silent prefix rows.
  private struct Stretch {
    var layers: ClosedRange<Int>
    var weights: [WeightFlow]
    let none: [String]
    let some: [String]

    init(layer: Int, weights: [WeightFlow]) {
      layers = layer...layer
      self.weights = weights
      none = weights.filter { $0.silentNorm == 0 }.map(FlowTable.label)
      some = weights.filter { $0.silentNorm != 0 }.map(FlowTable.label)
    }
  }

  private static func stretches(of flow: Flow) -> [Stretch] {
    let named = named(in: flow)
    var stretches: [Stretch] = []
    for layer in 0..<flow.point.model.layers {
      let weights = named.filter { $0.layer == layer }
      guard !weights.isEmpty else { continue }
      let next = Stretch(layer: layer, weights: weights)
      if let last = stretches.last, last.none == next.none, last.some == next.some {
        stretches[stretches.count - 1].layers = last.layers.lowerBound...layer
        stretches[stretches.count - 1].weights += weights
      } else {
        stretches.append(next)
      }
    }
    return stretches
  }

  /// The matrices of the layers, or, if none is trained, whatever else is.
  private static func named(in flow: Flow) -> [WeightFlow] {
    let weights = flow.weights.filter { $0.layer != nil }
    let matrices = weights.filter { $0.weight.hasPrefix("W_") }
    return matrices.isEmpty ? weights : matrices
  }

  private static func sentence(
    about stretch: Stretch, _ rows: String, of count: Int
  ) -> String {
    let (first, last) = (stretch.layers.lowerBound, stretch.layers.upperBound)
    let place =
      first == last
      ? "In layer \(first)" + (count > 1 && last == count - 1 ? ", the last," : "")
      : "In layers \(first) \(last == first + 1 ? "and" : "to") \(last)"
    if stretch.none.isEmpty { return "\(place) \(rows) feed \(list(stretch.some))." }
    if stretch.some.isEmpty { return "\(place) \(rows) give exactly nothing." }
    return "\(place) \(rows) give exactly nothing to \(list(stretch.none)), and feed "
      + "\(list(stretch.some))."
  }

  /// Whether the table of one layer holds: nothing for W_Q, W_O and the MLP, something for W_K,
  /// W_V.
  private static func tableSentence(_ stretches: [Stretch], of flow: Flow) -> [String] {
    let layers = flow.point.model.layers
    guard layers > 1, let last = stretches.last, last.layers == layers - 1...layers - 1,
      stretches.first?.layers.lowerBound == 0
    else {
      return []
    }
    func holds(_ stretch: Stretch) -> Bool {
      let nothing = ["W_Q", "W_O", "W_up", "W_down"]
      return nothing.allSatisfy(stretch.none.contains)
        && ["W_K", "W_V"].allSatisfy(stretch.some.contains)
    }
    guard holds(last), !stretches.dropLast().contains(where: holds) else { return [] }
    return [
      "So what holds for a single layer, nothing for W_Q, W_O and the MLP, holds in the last layer "
        + "only."
    ]
  }

  /// What the last prefix row gives where the others give nothing.
  private static func boundarySentence(_ stretches: [Stretch], row: Int) -> [String] {
    let alone = stretches.flatMap(\.weights).contains {
      $0.silentNorm == 0 && ($0.boundaryNorm ?? 0) > 0
    }
    guard alone else { return [] }
    return [
      "Row \(row) belongs to the prefix and carries loss; where the rows before it give nothing, "
        + "it alone makes the prefix's part."
    ]
  }

  private static func list(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}
