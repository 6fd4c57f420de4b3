import Ledger
package import Retention
import Transformer

/// A flow as a person reads it: a table a layer, "none" for exact zeros, and what it shows.
package enum FlowTable {
  /// Layers beyond this many are shown together where the same weights get gradient.
  private static let mostLayers = 4

  /// The point, a row a weight, and the sentences of `FlowSummary`.
  package static func text(of flow: Flow) -> String {
    var heading = TextTable([("", .left), ("", .left)])
    for (name, value) in PointTable.heading(of: flow.point) { heading.add([name, value]) }
    if let loss = flow.loss { heading.add(["loss", loss.description]) }
    let sentences = FlowSummary.sentences(of: flow).map { $0 + "\n" }.joined()
    return heading.text + "\n" + table(of: flow) + "\n" + sentences
  }

  private static func table(of flow: Flow) -> String {
    let boundary = flow.point.silentPrefix < flow.point.nC ? flow.point.nC - 1 : nil
    let boundaryColumn = boundary.map { ["its row \($0)"] } ?? []
    let columns =
      ["layer", "weight", "from the prefix"] + boundaryColumn + [
        "from generated", "share", "cosine",
      ]
    var table = TextTable(columns.map { ($0, .left) }, keys: 2, starts: [columns.count - 2])
    for (index, group) in groups(of: flow).enumerated() {
      if index > 0 { table.add(columns.map { _ in "" }) }
      for (row, weights) in group.rows.enumerated() {
        table.add(
          [
            row == 0 ? group.name : "", label(of: weights[0]), prefixAnswer(weights, boundary),
          ] + boundaryColumn.map { _ in answer(weights.compactMap(\.boundaryNorm)) } + [
            answer(weights.map(\.generatedNorm)), range(weights.compactMap(\.prefixShare)),
            range(weights.compactMap(\.cosine)),
          ])
      }
    }
    return table.text
  }

  /// What the prefix gives; where only the row that carries loss gives something, this is said, and
  /// how much stands in the next column.
  private static func prefixAnswer(_ weights: [WeightFlow], _ boundary: Int?) -> String {
    let norms = weights.map(\.prefixNorm)
    guard let boundary, weights.allSatisfy({ $0.silentNorm == 0 && $0.prefixNorm > 0 }) else {
      return answer(norms)
    }
    return "✗ only row \(boundary)"
  }

  /// The seed's mark and word, and the norm or the norms of several layers.
  private static func answer(_ norms: [Double]) -> String {
    norms.allSatisfy { $0 == 0 } ? "✗ none" : "✓ yes  \(range(norms))"
  }

  private static func range(_ values: [Double]) -> String {
    guard let low = values.min(), let high = values.max() else { return "–" }
    let (from, to) = (Units.significant(low), Units.significant(high))
    return from == to ? from : "\(from) … \(to)"
  }

  /// The weight's name, or the module's where a layer has several of the name.
  static func label(of weight: WeightFlow) -> String {
    guard weight.layer != nil, weight.role.module.family == .norm else { return weight.weight }
    return weight.parameter.split(separator: ".").dropLast().last.map(String.init) ?? weight.weight
  }

  // MARK: Groups

  /// Layers that are shown as one: a row a weight, with that weight of each layer.
  private struct Group {
    var name: String
    var rows: [[WeightFlow]]
  }

  /// What is outside the layers stands before and after them, as in the forward pass.
  private static func groups(of flow: Flow) -> [Group] {
    var blocks: [[WeightFlow]] = []
    for weight in flow.weights {
      if let last = blocks.last?.last, last.layer == weight.layer {
        blocks[blocks.count - 1].append(weight)
      } else {
        blocks.append([weight])
      }
    }
    var groups: [Group] = []
    for block in blocks {
      if let last = groups.last, flow.point.model.layers > mostLayers,
        pattern(last.rows.map { $0[$0.count - 1] }) == pattern(block)
      {
        let first = last.rows[0][0].layer ?? 0
        groups[groups.count - 1] = Group(
          name: "\(first)–\(block[0].layer ?? 0)", rows: zip(last.rows, block).map { $0 + [$1] })
      } else {
        groups.append(
          Group(name: block[0].layer.map(String.init) ?? "–", rows: block.map { [$0] }))
      }
    }
    return groups
  }

  /// Which weights get gradient from where.
  private static func pattern(_ block: [WeightFlow]) -> [String] {
    block.map { weight in
      let zeros = [weight.silentNorm, weight.boundaryNorm ?? 0, weight.generatedNorm].map {
        $0 == 0 ? "none" : "yes"
      }
      return "\(weight.layer == nil) \(label(of: weight)) \(zeros)"
    }
  }
}
