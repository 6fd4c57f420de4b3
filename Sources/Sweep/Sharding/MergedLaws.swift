import Files
import Reporting
import Retention

/// `laws.csv` over all shards: their coefficients, held against the points of all of them.
struct MergedLaws {
  /// The rows of `points.csv`, each as its cells.
  let points: [[String]]
  /// The file's text.
  private(set) var text = CSV.header(of: LawRecord.self)
  /// Points that are not on their law.
  private var mismatches = 0
  /// Series of which no shard has written a law.
  private var lawless = 0

  private static let pointColumns = Places(PointRecord.columns.map(\.name))
  private static let lawColumns = Places(LawRecord.columns.map(\.name))
  /// The columns that tell series apart, which both files have.
  private static let keys = Array(
    LawRecord.columns.map(\.name).prefix { $0 != "constant_bytes" })

  /// Where each column stands.
  private struct Places {
    private let places: [String: Int]

    init(_ names: [String]) {
      places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }

    subscript(name: String) -> Int {
      guard let place = places[name] else { preconditionFailure("there is no column \(name)") }
      return place
    }
  }

  /// Merges laws.
  ///
  /// - Parameters:
  ///   - points: The rows of all points, in the profile's order.
  ///   - laws: The rows of all shards' laws.
  /// - Throws: `FileError` if two shards have different laws for one series.
  init(points: [[String]], laws: [[String]]) throws(FileError) {
    self.points = points
    var known: [[String]: Law] = [:]
    for cells in laws {
      let law = try Law(cells)
      let key = Self.keys.map { cells[Self.lawColumns[$0]] }
      if let other = known[key], other.law != law.law {
        throw FileError("two shards have different laws of one series, \(other.law) and \(law.law)")
      }
      known[key] = law
    }
    var series: [[String]: [[String]]] = [:]
    var order: [[String]] = []
    for point in points {
      let key = Self.keys.map { point[Self.pointColumns[$0]] }
      if series[key] == nil { order.append(key) }
      series[key, default: []].append(point)
    }
    for key in order {
      if let law = known[key] { add(law, series[key] ?? []) } else { lawless += 1 }
    }
  }

  /// A row of `laws.csv`, and the law in it.
  private struct Law {
    let cells: [String]
    let law: ScalingLaw

    init(_ cells: [String]) throws(FileError) {
      func number(_ name: String) -> Int? { Int(cells[MergedLaws.lawColumns[name]]) }
      guard cells.count == LawRecord.columns.count, let constant = number("constant_bytes"),
        let linear = number("linear_bytes"), let quadratic = number("quadratic_bytes"),
        let lowest = number("holds_from_n_c")
      else { throw FileError("a row of a shard's \(ResultsStore.laws) is no law") }
      self.cells = cells
      law = ScalingLaw(constant: constant, linear: linear, quadratic: quadratic, lowest: lowest)
    }
  }

  /// Adds a law's row, with the points of all shards that it was held against.
  private mutating func add(_ law: Law, _ points: [[String]]) {
    let columns = Self.pointColumns
    let measured = points.compactMap { cells -> (nC: Int, retained: Int?)? in
      guard cells[columns["status"]] == PointStatus.ok.rawValue,
        let nC = Int(cells[columns["n_c"]]), nC >= law.law.lowest
      else { return nil }
      return (nC, Int(cells[columns["retained_bytes"]]))
    }
    let matching = measured.count { point in
      point.retained != nil && point.retained == law.law.retainedBytes(at: point.nC)
    }
    mismatches += measured.count - matching
    var cells = law.cells
    cells[Self.lawColumns["n_c_min"]] = measured.map(\.nC).min().map(String.init) ?? ""
    cells[Self.lawColumns["n_c_max"]] = measured.map(\.nC).max().map(String.init) ?? ""
    cells[Self.lawColumns["points_checked"]] = String(measured.count)
    cells[Self.lawColumns["points_matching"]] = String(matching)
    text += CSV.line(cells.map { .text($0) })
  }

  /// What contradicts a law, or has none; nil for nothing.
  var complaint: String? {
    let sentences = [
      mismatches > 0 ? "\(mismatches) of \(points.count) points are not on their series' law" : nil,
      lawless > 0 ? "\(lawless) series have no law, which their shards have not written" : nil,
    ].compactMap { $0 }
    return sentences.isEmpty ? nil : sentences.joined(separator: "; ")
  }
}
