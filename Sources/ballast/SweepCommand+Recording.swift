import Budgets
import Files
import Ledger
import Profiles
import RecordedLaws
import Reporting
import Results
import Retention
import Spelling
import Sweep
import Values

extension GivenPoints {
  /// The lengths that a profile gives, as a recording's laws take them.
  ///
  /// - Throws: `Failure` for one that is no number.
  func lengths(of profile: String) throws -> [RecordedLaws.Variable: [Int]] {
    var lengths: [RecordedLaws.Variable: [Int]] = [:]
    for variable in RecordedLaws.Variable.allCases {
      let values = try texts(of: variable.rawValue).map { text in
        guard let value = Int(text), value >= 0 else {
          throw Failure(
            "\(profile): \(variable.rawValue) is \(quoted(text)) and must be a whole number of "
              + "0 or more")
        }
        return value
      }
      if !values.isEmpty { lengths[variable] = values.sorted() }
    }
    return lengths
  }
}

extension SweepCommand {
  /// The figures of a recorded step at the lengths of the profile, as results.
  func sweep(_ recording: String) throws {
    let options = [
      ("--resume", resume), ("--jobs", jobs != 1), ("--shard", shard != nil),
      ("--in-process", inProcess), ("--memory", try memory.given() != nil),
    ]
    if let option = options.first(where: \.1)?.0 {
      throw UsageError("\(option) does not go with --recording, of which nothing is run")
    }
    let (name, given) = try BudgetFile.given(path: profile)
    let names = [ResultKind.points, .ledger].map(\.file)
    let others =
      [ResultKind.laws, .gradients, .flow].map(\.file) + ["sweep.json", "journal.jsonl"]
    let paths = names.map { Paths.join(output, $0) }
    try FileLists.hold(
      read: [NamedFile("the profile", profile), NamedFile("--recording", recording)],
      apartFrom: [NamedFile("--output", output)] + paths.map { NamedFile("--output", $0) })
    let present = (names + others).filter { Paths.exists(Paths.join(output, $0)) }
    if let other = present.first(where: others.contains) {
      throw Failure("\(output) holds results of another sweep (\(other)); choose another folder")
    }
    guard overwrite || present.isEmpty else {
      throw Failure(
        "\(output) holds results already (\(present.joined(separator: ", "))); choose another "
          + "folder, or replace them with --overwrite")
    }
    let result = try RecordedResult(
      recording, at: try given.lengths(of: profile), profile: name)
    let folder = try ResultsFolder(output)
    let documents = [CSV.document(result.points), CSV.document(result.ledger)]
    for (path, document) in zip(paths, documents) { try PendingFile(path).commit(document) }
    withExtendedLifetime(folder) {}
    switch try table.given() {
    case .table: try Output.show(Self.table(of: result.points))
    case .json: try Output.write(Self.json(points: result.points))
    }
  }

  private static func table(of points: [PointRecord]) -> String {
    var table = TextTable([
      ("n_c", .right), ("n_g", .right), ("batch", .right), ("retained", .right),
      ("peak allocated", .right), ("peak reserved", .right),
    ])
    for record in points {
      table.add([
        Units.grouped(record.point.nC), Units.grouped(record.point.nG),
        Units.grouped(record.point.batch), record.retained.map { Units.bytes($0.total) } ?? "",
        record.peakAllocatedBytes.map(Units.bytes) ?? "",
        record.peakReservedBytes.map(Units.bytes) ?? "",
      ])
    }
    return table.text
  }
}
