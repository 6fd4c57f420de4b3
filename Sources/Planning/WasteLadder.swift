import Ledger
import Measurement
import Reporting
import Retention
import Spelling
import Tensors
import Transformer

/// From the graph that PyTorch builds to the leanest of Ballast's that gives the same gradients for
/// no more matrix work: one graph after the other, and by name what each does without.
package struct WasteLadder: Sendable {
  /// Bytes that a graph keeps and the next does not.
  package struct Waste: Sendable {
    package let name: String
    package let bytes: Int
  }

  /// A graph, counted as it stands.
  package struct Rung: Sendable {
    package let name: String
    let point: Point
    /// What the rung above keeps beyond it; their sum is the difference of the two.
    package let waste: [Waste]
    package let retained: Int
    package let peak: Int
    /// The longest prefix within the largest memory; nil where none fits, or none was asked for.
    package let longest: Int?
  }

  /// Prefix tokens at which bytes are counted.
  package let nC: Int
  package let rungs: [Rung]

  /// The graphs from a recipe's on, each by the change that leads to it from the one before.
  static func points(from recipe: Point) -> [(name: String, waste: String?, point: Point)] {
    var point = recipe
    var points = [("PyTorch: \(recipe.recipe.rawValue)", String?.none, point)]
    func add(_ name: String, _ waste: String?, _ change: (inout Point) -> Void) {
      let last = point
      change(&point)
      guard point != last, (try? point.validate()) != nil else {
        point = last
        return
      }
      points.append((name, waste, point))
    }
    add("Ballast's own ops, the same rows", nil) { $0.recipe = .ballast }
    add("attention fused", "attention probabilities") { $0.attention = .fused }
    add("head on loss rows", "head: rows without loss") { $0.head = .lossRows }
    if point.mode == .fullGraph {
      add("pruned-graph", "last layer: rows that no loss reads") { $0.mode = .prunedGraph }
    }
    if point.recompute == .none {
      add("recompute elementwise", "norms, activations: made again") {
        $0.recompute = .elementwise
      }
    }
    return points
  }

  /// What a step keeps beyond another of the same tensors, by what they are for.
  static func waste(of one: [SavedStorage], beyond other: [SavedStorage]) -> [Waste] {
    var sums: [KeptFor: Int] = [:]
    for (saved, sign) in one.map({ ($0, 1) }) + other.map({ ($0, -1) }) {
      sums[KeptFor(saved), default: 0] += sign * saved.description.requestedBytes * saved.copies
    }
    return KeptFor.allCases.compactMap { kind in
      sums[kind].flatMap { $0 == 0 ? nil : Waste(name: kind.rawValue, bytes: $0) }
    }
  }
}

extension WasteLadder {
  /// Where nothing fits, lengths that people train on stand for the longest.
  static let usualLength = 8192

  /// Whether the leanest graph lets a longer prefix fit than PyTorch's.
  private var lengths: (theirs: Int, lean: Int)? {
    guard let theirs = rungs.first?.longest, let lean = rungs.last?.longest else { return nil }
    return (theirs, lean)
  }

  /// The ladder as a table.
  func text(isSearch: Bool) -> String {
    guard let whole = rungs.first?.retained, whole > 0 else { return "" }
    var table = TextTable(
      [("", .left), ("bytes", .right), ("%", .right), ("retained", .right), ("peak", .right)]
        + (isSearch ? [("longest n_c", .right)] : []))
    func percent(_ bytes: Int) -> String { Units.fixed(100 * Double(bytes) / Double(whole), 1) }
    for rung in rungs {
      for waste in rung.waste {
        let sign = waste.bytes < 0 ? "+" : "−"
        let size = Units.grouped(Int(waste.bytes.magnitude))
        table.add(
          ["  \(sign) \(waste.name)", size, percent(waste.bytes), "", ""]
            + (isSearch ? [""] : []))
      }
      table.add(
        [rung.name, "", percent(rung.retained), Units.bytes(rung.retained), Units.bytes(rung.peak)]
          + (isSearch ? [rung.longest.map(Units.grouped) ?? "none"] : []))
    }
    return table.text
  }

  /// What the ladder comes to.
  var sentence: String {
    guard let first = rungs.first, let last = rungs.last, first.retained > 0 else { return "" }
    let share = 100 * (1 - Double(last.retained) / Double(first.retained))
    let start =
      "At n_c \(Units.grouped(nC)) the last of these graphs keeps "
      + "\(Units.fixed(share, 1)) % less than PyTorch's, with the same gradients and no more "
      + "matrix work"
    guard let lengths else { return start + "." }
    return start
      + "; within the memory \(Units.grouped(lengths.lean)) prefix tokens fit where PyTorch's "
      + "graph ends at \(Units.grouped(lengths.theirs))."
  }

  /// The ladder as a JSON object.
  var json: JSONText {
    let graphs = rungs.map { rung in
      let waste = rung.waste.map { waste in
        JSONText.object([("name", .string(waste.name)), ("bytes", .integer(waste.bytes))], .spaced)
      }
      return JSONText.object(
        [
          ("graph", .string(rung.name)), ("waste", .array(waste, .spaced)),
          ("retained_bytes", .integer(rung.retained)), ("peak_bytes", .integer(rung.peak)),
          ("longest_n_c", .integer(orNull: rung.longest)),
        ], .spaced)
    }
    return .object(
      [("n_c", .integer(nC)), ("graphs", .array(graphs, .lines(4, close: 2)))], .spaced)
  }
}

extension Planner {
  /// The ladder of a recipe; nil of Ballast's own graph.
  func wasteLadder(of request: PlanRequest, rows: [PlanRow]) throws -> WasteLadder? {
    guard let start = start(of: rows) else { return nil }
    var memory: Int?
    if case .longestPrefix(let memories) = request.question { memory = memories.last }
    let graphs = WasteLadder.points(from: start)
    let longest = try each(of: graphs.map { Combination(point: $0.point) }, share: nil) {
      [memory] combination, predictor in
      try memory.flatMap {
        try search(combination, request.account, predictor).find(within: $0)
      }
    }
    let nC: Int
    if case .cost(let given, _) = request.question {
      nC = given
    } else {
      let most = Self.mostPrefixTokens(of: start) ?? WasteLadder.usualLength
      nC = longest.first?.flatMap { $0 == 0 ? nil : $0 } ?? min(most, WasteLadder.usualLength)
    }
    let results = try each(of: graphs.map { Combination(point: $0.point) }, share: nil) {
      combination, predictor in
      try steps.totals(of: combination.point(nC: nC), by: predictor)
    }
    let rungs = graphs.indices.map { index in
      let result = results[index]
      var waste: [WasteLadder.Waste] = []
      if index > 0 {
        let before = results[index - 1]
        if let name = graphs[index].waste {
          let bytes = before.retained.total - result.retained.total
          waste = bytes == 0 ? [] : [WasteLadder.Waste(name: name, bytes: bytes)]
        } else {
          waste = WasteLadder.waste(of: before.saved, beyond: result.saved)
        }
      }
      return WasteLadder.Rung(
        name: graphs[index].name, point: graphs[index].point, waste: waste,
        retained: result.retained.total, peak: result.peakBytes, longest: longest[index])
    }
    return WasteLadder(nC: nC, rungs: rungs)
  }

  /// PyTorch's graph as it runs by default, among what was asked for.
  private func start(of rows: [PlanRow]) -> Point? {
    let points = rows.map(\.combination.point).filter { $0.recipe != .ballast }
    return points.first { $0.mode == .fullGraph && $0.recompute == .none } ?? points.first
  }
}
