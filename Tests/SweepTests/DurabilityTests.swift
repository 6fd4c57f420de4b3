import Files
import Foundation
import Ledger
import Measurement
import Profiles
import Reporting
import Retention
import Sweep
import Tensors
import TestSupport
import Testing

/// What a stopped sweep left is exactly what it goes on from.
@Suite struct DurabilityTests {
  private static let text = """
    model: seed
    n_c: [1, 2, 3, 4]
    n_g: 3
    mode: [full-graph, detached-prefix]
    backend: shape
    """

  /// A folder that goes away with the test.
  private final class Place {
    let path = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func text(_ name: String) throws -> String {
      try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
    }

    func write(_ name: String, _ text: String) throws {
      try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    /// All results but the times at which points began.
    func results() throws -> [String] {
      try ["points.csv", "ledger.csv", "laws.csv"].map { name in
        try text(name).replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "then")
      }
    }

    var names: Set<String> {
      Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
    }
  }

  private static let shapes = Engine(
    makeMachine: { _ in Machine(backend: .shapes(sizeClass: { $0 }), allocatedBytes: nil) },
    sizeClass: { $0 }, tileBytes: { _, _ in 0 })

  @discardableResult private func sweep(
    _ place: Place, _ text: String = Self.text, memory: Int? = nil,
    opening: ResultsStore.Opening = .resume,
    open: @escaping ResultsStore.Opener = { (path) throws(FileError) in try AppendedFile(path) }
  ) throws -> SweepSummary {
    let profile = try Profile(text: text, file: "p.yaml")
    let store = try ResultsStore(
      directory: place.path, of: profile, memory: memory, opening: opening, open: open)
    return try SweepRun(
      profile: profile, store: store, engine: Self.shapes, limit: MemoryLimit(given: memory)
    ).run()
  }

  /// A finished sweep, and the same one as it is before its last points: its journal, its lines.
  private func journal() throws -> (whole: Place, lines: [String]) {
    let whole = Place()
    try sweep(whole)
    let (ledger, points) = (
      try CSVDocument.records(of: whole.text("ledger.csv")).dropFirst(),
      try whole.text("points.csv").split(separator: "\n").dropFirst()
    )
    // Written from the results, not by the store, so that the format is pinned.
    let lines = try points.enumerated().map { index, row in
      let cells = try CSVDocument.records(of: row + "\n")[0]
      let (mode, nC) = (cells[15], cells[21])
      let own = ledger.filter { $0[1] == mode && $0[10] == nC }
      let rows = [
        "points.csv": row + "\n",
        "ledger.csv": own.map { CSV.line($0.map { .text($0) }) }.joined(),
      ]
      let object: [String: Any] = ["index": index, "interrupted": false, "rows": rows]
      return String(
        decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self) + "\n"
    }
    return (whole, lines)
  }

  /// A sweep that was killed with this journal.
  private func stopped(_ journal: String, like whole: Place) throws -> Place {
    let place = Place()
    try FileManager.default.createDirectory(
      atPath: place.path, withIntermediateDirectories: true)
    try place.write("journal.jsonl", signed(journal))
    try place.write(
      "sweep.json",
      whole.text("sweep.json").replacing("\"complete\" : true", with: "\"complete\" : false"))
    // The CSV files say nothing that the journal does not.
    try place.write("points.csv", "half a row, of what")
    try place.write(".points.csv.17.tmp", "left behind")
    return place
  }

  @Test(arguments: 0...8)
  func `a sweep goes on after any number of points`(count: Int) throws {
    let (whole, lines) = try journal()
    let begun = lines.prefix(count).map { $0.replacing(/T\d\d:\d\d:\d\dZ/, with: "T12:34:56Z") }
    let place = try stopped(begun.joined(), like: whole)
    let summary = try sweep(place)
    // Points of the journal say of themselves that they are not measured again.
    #expect(
      summary.records.map { $0.startedAt.hasSuffix("T12:34:56Z") }
        == (0..<8).map { $0 < count })
    #expect(summary.records.count == 8 && summary.laws.disagreements.isEmpty)
    #expect(try place.results() == whole.results())
    #expect(try place.text("sweep.json") == whole.text("sweep.json"))
    #expect(place.names == whole.names)
  }

  @Test func `a torn line is cut off wherever it is torn`() throws {
    let (whole, lines) = try journal()
    let torn = signed(lines[2])
    for part in [1, 20, torn.count / 2, torn.count - 1] {
      let place = try stopped(lines[0] + lines[1], like: whole)
      let before = try place.text("journal.jsonl")
      try place.write("journal.jsonl", before + torn.prefix(part))
      try sweep(place)
      #expect(try place.results() == whole.results(), "\(part)")
    }
  }

  @Test func `a line in which a bit has changed is measured again, wherever it is`() throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0] + lines[1] + lines[2], like: whole)
    let journal = Array(try place.text("journal.jsonl").utf8)
    for at in stride(from: 3, to: journal.count, by: 397) {
      let place = try stopped(lines[0], like: whole)
      var changed = journal
      changed[at] ^= 1
      try Data(changed).write(to: URL(fileURLWithPath: "\(place.path)/journal.jsonl"))
      try sweep(place)
      #expect(try place.results() == whole.results(), "byte \(at)")
    }
  }

  @Test func `points that ended out of order keep the profile's order`() throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[6] + lines[0] + lines[3] + lines[1], like: whole)
    try sweep(place)
    #expect(try place.results() == whole.results())
  }

  @Test func `an interrupted point is measured again, and only that`() throws {
    let (whole, lines) = try journal()
    let killed = lines[1].replacing("\"interrupted\":false", with: "\"interrupted\":true")
    let first = lines[0].replacing(/T\d\d:\d\d:\d\dZ/, with: "T12:34:56Z")
    let place = try stopped(first + killed + lines[2], like: whole)
    try sweep(place)
    #expect(try place.results() == whole.results())
    #expect(try place.text("points.csv").split(separator: "\n")[1].contains("T12:34:56Z"))
    #expect(try place.text("sweep.json").contains("\"complete\" : true"))
  }

  @Test func `a complete sweep has nothing to resume`() throws {
    let place = Place()
    try sweep(place)
    let profile = try Profile(text: Self.text, file: "other/p.yaml")
    let store = try ResultsStore(
      directory: place.path, of: profile, memory: nil, opening: .resume)
    #expect(store.isComplete)
  }

  @Test func `rows of a complete sweep that were changed are not what it says`() throws {
    let place = Place()
    try sweep(place)
    let points = try place.text("points.csv")
    for changed in [points.replacing(",seed,", with: ",sown,"), ResultFile.points.header] {
      try place.write("points.csv", changed)
      let error = #expect(throws: FileError.self) { try sweep(place) }
      #expect(error?.description.contains("points.csv was changed: ") == true)
    }
  }

  /// A table that cannot be written stops the start where a kill might.
  @Test(arguments: ["points.csv", "gradients.csv", "ledger.csv", "laws.csv"])
  func `old rows never stand beside a manifest that is not theirs`(table: String) throws {
    let place = Place()
    try sweep(place)
    // A folder under the name that the new table has for a moment.
    let obstacle = "\(place.path)/.\(table).\(getpid()).tmp"
    try FileManager.default.createDirectory(
      atPath: obstacle, withIntermediateDirectories: false)
    let other = Self.text.replacing("n_g: 3", with: "n_g: 4")
    #expect(throws: FileError.self) { try sweep(place, other, opening: .replace) }
    #expect(!place.names.contains("sweep.json") && !place.names.contains("journal.jsonl"))
    try FileManager.default.removeItem(atPath: obstacle)
    try sweep(place, other, opening: .replace)
    #expect(try place.text("sweep.json").contains("\"complete\" : true"))
  }

  /// `/dev/null` takes whatever is written and refuses to be waited for (`fsync`).
  @Test func `the journal alone is waited for, and the other files before the sweep is complete`()
    throws
  {
    let place = Place()
    let error = #expect(throws: FileError.self) {
      try sweep(place, opening: .replace) { (path) throws(FileError) in
        guard path.hasSuffix("points.csv") else { return try AppendedFile(path) }
        return AppendedFile(path, descriptor: unsafe open("/dev/null", O_RDWR))
      }
    }
    #expect(error?.description.hasPrefix("cannot write \(place.path)/points.csv") == true)
    #expect(try place.text("journal.jsonl").split(separator: "\n").count == 8)
    #expect(try place.text("sweep.json").contains("\"complete\" : false"))
  }

  static let changes: [(String, Int?, String)] = [
    (text.replacing("n_g: 3", with: "n_g: 4"), nil, "points have changed"),
    (text.replacing("1, 2, 3, 4", with: "1, 2, 4, 3"), nil, "points have changed"),
    (text.replacing("1, 2, 3, 4", with: "1, 2, 3"), nil, "points have changed"),
    (text + "\nseed: 1", nil, "points have changed"),
    (text + "\ntimings: false", nil, "points have changed"),
    (text + "\nprofile: q", nil, "it holds the profile \"p\", not \"q\""),
    (text, 1 << 30, "it was started without --memory, and now runs with --memory 1073741824"),
  ]

  @Test(arguments: changes)
  func `another sweep is not resumed`(text: String, memory: Int?, part: String) throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0], like: whole)
    let error = #expect(throws: FileError.self) { _ = try sweep(place, text, memory: memory) }
    #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    #expect(try place.text("journal.jsonl") == signed(lines[0]))
  }

  @Test func `comments, and values that were defaults, are the same sweep`() throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0], like: whole)
    try sweep(place, "# once more\n" + Self.text + "\nbatch: 1\ndescription: the same")
    #expect(try place.results() == whole.results())
  }

  @Test func `another version's sweep is not resumed`() throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0], like: whole)
    let current = "\"version\" : \"\(BallastVersion.current)\""
    try place.write(
      "sweep.json", place.text("sweep.json").replacing(current, with: "\"version\" : \"0.0.1\""))
    let error = #expect(throws: FileError.self) { _ = try sweep(place).records.count }
    #expect(error?.description.contains("it was started by ballast 0.0.1, and this is") == true)
  }

  @Test func `a folder that is new, or holds headers alone, is simply begun`() throws {
    let place = Place()
    try FileManager.default.createDirectory(
      atPath: place.path, withIntermediateDirectories: true)
    try place.write("points.csv", ResultFile.points.header)
    try sweep(place)
    #expect(try place.text("points.csv").split(separator: "\n").count == 9)
  }

  @Test(arguments: ["", "{", "[]", "{\"schema\":1}"])
  func `a damaged sweep.json is refused`(text: String) throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0], like: whole)
    try place.write("sweep.json", text)
    let error = #expect(throws: FileError.self) { _ = try sweep(place).records.count }
    #expect(error?.description.contains("is not what a sweep writes") == true)
  }

  @Test func `a journal of other points is refused`() throws {
    let (whole, lines) = try journal()
    for bad in [
      lines[0].replacing("\"index\":0", with: "\"index\":8"),
      lines[0].replacing("\"index\":0", with: "\"index\":3"),
    ] {
      let place = try stopped(bad, like: whole)
      let error = #expect(throws: FileError.self) { _ = try sweep(place).records.count }
      #expect(error?.description.contains("journal.jsonl") == true)
    }
  }

  @Test func `results without a manifest are not resumed`() throws {
    let (whole, lines) = try journal()
    let place = try stopped(lines[0], like: whole)
    try FileManager.default.removeItem(atPath: "\(place.path)/sweep.json")
    let error = #expect(throws: FileError.self) { _ = try sweep(place).records.count }
    #expect(error?.description.contains("no sweep.json says of which sweep") == true)
  }

  @Test func `other tokens are another sweep`() throws {
    let place = Place()
    try FileManager.default.createDirectory(
      atPath: place.path, withIntermediateDirectories: true)
    func digest(_ tokens: String) throws -> String {
      try place.write("t.json", "{\"tokens\": [\(tokens)]}")
      let text = "model: seed\nn_c: 2\nn_g: 2\ntokens: \(place.path)/t.json"
      return try Profile(text: text, file: "p.yaml").digest
    }
    #expect(try digest("1, 2, 3, 4") == digest("1,2,3,4"))
    #expect(try digest("1, 2, 3, 4") != digest("1, 2, 3, 5"))
  }
}
