import Foundation
package import Reporting
import Retention
import Spelling

/// What other files of a folder have that is of the points in its `points.csv`.
///
/// A file of an earlier result may have stayed, or have been copied from another. Each says of
/// which points it is; what is of none is left out, with a sentence.
package struct Belonging {
  private let points: CSVDocument

  init(to points: CSVDocument) { self.points = points }

  /// A file, or the rows of it that belong here, and a sentence about what was left out.
  package struct Part: Sendable {
    package var document: CSVDocument?
    /// The row of `points.csv` that each of the document's is about; empty where that is not known.
    package var places: [Int] = []
    package var sentence: String?
  }

  // MARK: Laws

  /// The laws of series that have points here, where they give the bytes of those.
  func laws(_ document: CSVDocument) -> Part {
    let axes = PointAxis.all.filter { $0.seriesValue == nil }.map(\.name) + ["profile"]
    let shared = axes.filter { document.column($0) != nil && points.column($0) != nil }
    var measured: [[String]: [MeasuredBytes]] = [:]
    for (row, key) in zip(points.rows, keys(points, shared)) {
      measured[key, default: []] += [MeasuredBytes(row, of: points)].compactMap(\.self)
    }
    let known = Set(keys(points, shared))
    let lawKeys = keys(document, shared)
    // One law that contradicts a series makes those of its parts another model's too.
    var contradicted: Set<[String]> = []
    for (row, key) in zip(document.rows, lawKeys)
    where StatedLaw(row, of: document).map({ !$0.agrees(with: measured[key] ?? []) }) ?? false {
      contradicted.insert(key)
    }
    let rows = zip(document.rows, lawKeys)
      .filter { known.contains($1) && !contradicted.contains($1) }.map(\.0)
    let lost = document.rows.count - rows.count
    guard lost > 0 else { return Part(document: document) }
    return Part(
      document: rows.isEmpty ? nil : document.with(rows),
      sentence: "laws.csv: \(lost) of \(document.rows.count) laws are left out; none of the points "
        + "here is of their series, or the law does not give their bytes")
  }

  private func keys(_ document: CSVDocument, _ names: [String]) -> [[String]] {
    let columns = names.compactMap { document.column($0) }
    return document.rows.map { row in columns.map { row.fields[$0] } }
  }

  // MARK: Gradients

  /// The gradients of points here: those of the same axes whose error they add up to.
  func gradients(_ document: CSVDocument) -> Part {
    guard let parameter = document.column("parameter") else { return Part() }
    let shared = document.header[..<parameter].filter { points.column($0) != nil }
    let status = points.column("status")
    var waiting: [[String]: [Int]] = [:]
    for (number, key) in keys(points, Array(shared)).enumerated().reversed()
    where status.map({ points.rows[number].fields[$0] == "ok" }) ?? true {
      waiting[key, default: []].append(number)
    }
    var (rows, places): ([CSVDocument.Row], [Int]) = ([], [])
    var (blocks, strays) = (0, 0)
    let rowKeys = keys(document, Array(shared))
    var start = 0
    var seen: Set<String> = []
    for index in document.rows.indices {
      seen.insert(document.rows[index].fields[parameter])
      let next = index + 1
      let isEnd =
        next == document.rows.count || rowKeys[next] != rowKeys[start]
        || seen.contains(document.rows[next].fields[parameter])
      guard isEnd else { continue }
      let block = document.rows[start..<next]
      blocks += 1
      if let place = waiting[rowKeys[start]]?.lastIndex(where: { agree(block, document, $0) }),
        let number = waiting[rowKeys[start]]?.remove(at: place)
      {
        rows += block
        places += block.map { _ in number }
      } else {
        strays += 1
      }
      (start, seen) = (next, [])
    }
    let sentence =
      strays == 0
      ? nil
      : "gradients.csv: those of \(strays) of \(blocks) points are left out; they are of another "
        + "profile or model, or do not add up to the error of a point here"
    return Part(
      document: rows.isEmpty ? nil : document.with(rows), places: places, sentence: sentence)
  }

  /// Whether the gradients of parameters have a point's layers, and the error of all together.
  private func agree(
    _ block: ArraySlice<CSVDocument.Row>, _ document: CSVDocument, _ number: Int
  ) -> Bool {
    func numbers(_ name: String) -> [Double?] {
      let column = document.column(name)
      return block.map { row in column.flatMap { Double(row.fields[$0]) } }
    }
    func cell(_ name: String) -> Double? {
      points.column(name).flatMap { Double(points.rows[number].fields[$0]) }
    }
    if let layers = cell("layers"), let last = numbers("layer").compactMap(\.self).max(),
      last >= layers
    {
      return false
    }
    // ‖g − r‖² and ‖r‖²; where r is zero, g is the whole difference.
    let (errors, norms) = (numbers("relative_error"), numbers("norm"))
    let references = numbers("reference_norm").map { $0 ?? 0 }
    let whole = references.reduce(0) { $0 + $1 * $1 }
    let given = cell("gradient_relative_error")
    guard whole > 0 else { return given == nil || given == 0 }
    let apart = zip(zip(errors, norms), references).reduce(0.0) { sum, next in
      let part = next.0.0.map { $0 * next.1 } ?? next.0.1 ?? 0
      return sum + part * part
    }
    guard let given else { return false }
    let error = (apart / whole).squareRoot()
    return abs(error - given) <= 1e-6 * max(error, given)
  }

  // MARK: Flow

  /// What decides a gradient, beside the mode, the model first: of how the step is run, and of what
  /// the exact one may have otherwise, it does not depend.
  private static let ofGradients: [String] = {
    let ways: Set = ["attention", "head", "recipe", "backend", "threads"]
    let axes = PointAxis.all.filter { axis in
      axis.referenceValue == nil && axis.conditions.isEmpty && !ways.contains(axis.name)
    }
    return (axes.filter { $0.section == .model } + axes.filter { $0.section != .model })
      .map(\.name)
  }()

  /// A flow of one of the points here.
  func flow(_ document: CSVDocument) -> Part {
    let again = "; write it again with 'ballast flow … --csv'"
    guard let first = document.rows.first else { return Part() }
    guard document.column("model") != nil, document.column("n_c") != nil else {
      return Part(
        sentence: "flow.csv is left out: it does not say of which step it is, as an earlier "
          + "version wrote it" + again)
    }
    let axes = Self.ofGradients + ["mode", "keep_prefix"]
    guard Set(keys(document, axes.filter { document.column($0) != nil })).count == 1 else {
      return Part(sentence: "flow.csv is left out: its rows are of several steps" + again)
    }
    let own = cells(document, first)
    var nearest: [String]?
    for (number, row) in points.rows.enumerated() {
      let differing = difference(of: own, from: cells(points, row))
      if differing.isEmpty { return Part(document: document, places: [number]) }
      if nearest.map({ differing.count < $0.count }) ?? true { nearest = differing }
    }
    let words = (nearest ?? []).prefix(3).map { "\($0) \(own[$0] ?? "")" }.joined(separator: ", ")
    return Part(
      sentence: "flow.csv is left out: it is of \(printable(words.unicodeScalars)), and no point "
        + "here is" + again)
  }

  /// A row's texts on all axes that the file has.
  private func cells(_ document: CSVDocument, _ row: CSVDocument.Row) -> [String: String] {
    PointAxis.all.reduce(into: [:]) { cells, axis in
      if let column = document.column(axis.name) { cells[axis.name] = row.fields[column] }
    }
  }

  /// The axes in which a flow is of another gradient than a point has.
  private func difference(
    of flow: [String: String], from point: [String: String]
  ) -> [String] {
    func text(_ cells: [String: String], _ axis: String) -> String {
      cells[axis] ?? PointAxis.named(axis).standard.text
    }
    var differing = Self.ofGradients.filter { axis in
      // Sizes that a file does not have say nothing.
      guard flow[axis] != nil && point[axis] != nil || !PointAxis.sizes.contains(named: axis) else {
        return false
      }
      let (one, other) = (text(flow, axis), text(point, axis))
      return axis == "model" ? Self.name(one) != Self.name(other) : !Self.same(one, other)
    }
    // An exact gradient is every mode's, or what that mode's error is measured from.
    let isExact = ModeName(rawValue: text(flow, "mode")).map { Mode($0).isExact } ?? false
    for axis in ["mode", "keep_prefix"] where !isExact && text(flow, axis) != text(point, axis) {
      differing.append(axis)
    }
    return differing
  }

  /// A model is the same from wherever its folder is named.
  private static func name(_ model: String) -> Substring {
    model.split(separator: "/").last { $0 != "." } ?? ""
  }

  /// Numbers may be written in several ways, and an empty cell is a default.
  private static func same(_ one: String, _ other: String) -> Bool {
    if one == other { return true }
    guard let one = Double(one.isEmpty ? "0" : one), let other = Double(other.isEmpty ? "0" : other)
    else { return false }
    return one == other
  }
}

extension [PointAxis] {
  fileprivate func contains(named name: String) -> Bool { contains { $0.name == name } }
}

/// What a point retains at its prefix length.
private struct MeasuredBytes {
  let nC: Int
  let retained: Int

  /// Nil for a point that failed.
  init?(_ row: CSVDocument.Row, of document: CSVDocument) {
    guard let nC = document.integer("n_c", in: row),
      let retained = document.integer("retained_bytes", in: row)
    else { return nil }
    (self.nC, self.retained) = (nC, retained)
  }
}

/// A row of `laws.csv` that says what a whole step retains.
private struct StatedLaw {
  /// By rising powers of `n_c`.
  private let coefficients: [Int]
  private let regime: ClosedRange<Int>
  private let step: Int
  /// The points that were on it when it was written.
  private let matching: Int

  /// Nil for a law of something else: a part of the model, a peak, one of several devices.
  init?(_ row: CSVDocument.Row, of document: CSVDocument) {
    func isOther(_ name: String, than text: String) -> Bool {
      document.column(name).map { row.fields[$0] != text } ?? false
    }
    guard !isOther("figure", than: "retained"), !isOther("part", than: "total"),
      !isOther("tensor_parallel", than: "1")
    else { return nil }
    coefficients = LawRecord.coefficients.map { document.integer($0.name, in: row) ?? 0 }
    let start = document.integer("holds_from_n_c", in: row) ?? 0
    regime = start...max(document.integer("holds_to_n_c", in: row) ?? .max, start)
    step = max(document.integer("n_c_step", in: row) ?? 1, 1)
    matching = document.integer("points_matching", in: row) ?? 0
  }

  /// Whether it gives the bytes of as many points as it says, or of all that are left of them.
  func agrees(with points: [MeasuredBytes]) -> Bool {
    let points = points.filter { regime.contains($0.nC) && $0.nC % step == 0 }
    let met = points.count { point in
      let nC = Int128(point.nC)
      return coefficients.reversed().reduce(0) { $0 * nC + Int128($1) } == Int128(point.retained)
    }
    return met >= min(matching, points.count)
  }
}

extension CSVDocument {
  fileprivate func integer(_ column: String, in row: Row) -> Int? {
    self.column(column).flatMap { Int(row.fields[$0]) }
  }
}
