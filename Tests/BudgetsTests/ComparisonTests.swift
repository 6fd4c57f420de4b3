import Budgets
import Files
import Foundation
import Reporting
import Results
import TestSupport
import Testing

/// The columns of a `points.csv` that a comparison reads, and some that it does not.
private let header =
  "schema,mode,n_c,threads,status,retained_bytes,retained_allocated_bytes,peak_bytes,"
  + "forward_seconds,backward_seconds,repeat\n"

private let ledgerHeader =
  "profile,mode,dtype,n_c,order,layer,op,tensor,shape,dtype,requested_bytes,allocated_bytes\n"

@Suite struct ComparisonTests {
  private let folder = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"

  /// Writes files, in folders where their names say so, and compares the first two paths.
  private func compare(
    _ files: [(String, String)], _ a: String = "a.csv", _ b: String = "b.csv",
    ignoring: [String] = []
  ) throws -> Comparison {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files {
      let url = URL(fileURLWithPath: "\(folder)/\(name)")
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: url, atomically: false, encoding: .utf8)
    }
    return try Comparison(
      try ResultPoints("\(folder)/\(a)"), try ResultPoints("\(folder)/\(b)"), ignoring: ignoring)
  }

  @Test func `points are matched by key whatever their order`() throws {
    let comparison = try compare([
      (
        "a.csv",
        header + "1,full,4,2,ok,100,128,200,1.5,0.5,1\n1,full,8,2,ok,300,320,400,1,1,1\n"
          + "1,pruned,8,2,ok,1,8,1,1,1,1\n"
      ),
      (
        "b.csv",
        header + "1,full,8,2,ok,150,160,400,1,2,1\n1,full,4,2,ok,101,128,200,,,1\n"
          + "1,full,9,2,ok,1,8,1,1,1,1\n"
      ),
    ])
    #expect(comparison.points.map(\.label) == ["full n_c=4", "full n_c=8"])
    #expect(comparison.onlyBefore == ["pruned n_c=8"] && comparison.onlyAfter == ["full n_c=9"])
    let first = comparison.points[0]
    #expect(first["retained"] == FigurePair(before: 100, after: 101))
    #expect(first["retained"].increasePercent == 1 && first["allocated"].increasePercent == 0)
    #expect(first.seconds == FigurePair(before: 2, after: nil) && first.tensors == nil)
    #expect(comparison.points[1].seconds == FigurePair(before: 2, after: 3))
    #expect(comparison.points[1]["retained"].increasePercent == -50)
    #expect(comparison.increases(beyond: 1) == [])
    #expect(
      comparison.increases(beyond: 0.99) == ["retained of full n_c=4 grew from 100 B to 101 B"])
  }

  @Test func `what grew from nothing, or failed, has increased`() throws {
    let comparison = try compare([
      ("a.csv", header + "1,full,4,2,ok,0,0,5,,,1\n1,full,8,2,ok,1,1,1,,,1\n"),
      ("b.csv", header + "1,full,4,2,ok,7,0,5,,,1\n1,full,8,2,failed,,,,,,1\n"),
    ])
    #expect(
      comparison.increases(beyond: 1e9) == [
        "retained of full n_c=4 grew from 0 B to 7 B",
        "full n_c=8 was measured before and is failed now",
      ])
    let text = ComparisonTable.text(of: comparison.points, onlyBefore: [], onlyAfter: [])
    #expect(text.contains("from 0") && text.contains("ok → failed"))
  }

  @Test func `ignored columns, and columns of one side alone, do not keep points apart`() throws {
    let files = [
      ("a.csv", header + "1,full,4,2,ok,1,1,1,,,1\n"),
      (
        "b.csv",
        header.replacing("repeat\n", with: "repeat,kv_gradients\n")
          + "1,full,4,4,ok,2,2,2,,,1,float32\n"
      ),
    ]
    let error = try #require(throws: FileError.self) { _ = try compare(files) }
    #expect(error.description.contains("no point in common; their first ones differ in threads"))
    let comparison = try compare(files, ignoring: ["threads"])
    #expect(comparison.points.map { $0["retained"] } == [FigurePair(before: 1, after: 2)])
  }

  @Test func `tensors appear, vanish, grow and shrink`() throws {
    func row(_ order: Int, _ op: String, _ bytes: Int, mode: String = "full") -> String {
      "p,\(mode),float32,4,\(order),0,\(op),x,1x\(bytes),uint8,\(bytes),\(bytes)\n"
    }
    let a = row(0, "a", 10) + row(1, "b", 20) + row(2, "c", 30) + row(3, "d", 5)
    let b = row(0, "e", 11) + row(1, "b", 25) + row(2, "c", 3) + row(3, "d", 5)
    let folders = try compare(
      [
        ("a/points.csv", header + "1,full,4,2,ok,65,65,65,,,1\n"),
        ("a/ledger.csv", ledgerHeader + a),
        ("b/points.csv", header + "1,full,4,2,ok,44,44,65,,,1\n"),
        ("b/ledger.csv", ledgerHeader + b),
      ], "a", "b")
    let ledgers = try compare(
      [("a.csv", ledgerHeader + a), ("b.csv", ledgerHeader + b)])
    for comparison in [folders, ledgers] {
      let changes = try #require(comparison.points.first?.tensors)
      #expect(
        changes.map(\.sentence) == [
          "layers.0.c:x shrank by 27 B to 3 B (1x3 uint8)",
          "layers.0.e:x appeared, 11 B (1x11 uint8)", "layers.0.a:x vanished, 10 B (1x10 uint8)",
          "layers.0.b:x grew by 5 B to 25 B (1x25 uint8)",
        ])
      #expect(comparison.points[0]["retained"] == FigurePair(before: 65, after: 44))
    }
  }

  private static let good = header + "1,full,4,2,ok,1,1,1,,,1\n"

  /// A file beside a good one, and what the sentence says.
  static let bad: [(String, String)] = [
    ("", "line 1 has no header"), ("a,b\n1,2\n", "columns of a ledger.csv or a points.csv"),
    (good + "1,full\n", "line 3 has 2 fields, the header 11"),
    (good + "1,fu", "line 3 does not end; the file was cut off"),
    (good + "1,full,4,2,ok,1,1,1,,,1\n", "has two rows of one point, full n_c=4 repeat=1"),
    (header + "1,full,4,2,ok,many,1,1,,,1\n", "line 2 has \"many\" in retained_bytes"),
    (header + "1,full,4,2,ok,inf,1,1,,,1\n", "line 2 has \"inf\" in retained_bytes"),
    (
      ledgerHeader + "p,full,float32,4,0,0,a,x,1,uint8,1.5,2\n",
      "in requested_bytes, which is no whole"
    ),
    (ledgerHeader + "p,full,float32,4,0,0,a,x,1,uint8,1,2\n", "one is a ledger alone"),
    (header, "b.csv: has a header and no rows"),
    (ledgerHeader, "b.csv: has a header and no rows"),
  ]

  @Test(arguments: bad)
  func `what cannot be compared is one sentence`(text: String, part: String) throws {
    let error = try #require(throws: FileError.self) {
      _ = try compare([("a.csv", Self.good), ("b.csv", text)])
    }
    #expect(error.description.contains(part) && !error.description.contains("\n"), "\(error)")
  }

  /// Numbers at and beyond the ends of what 64 bits and a double hold.
  private static let extremes = [
    "9223372036854775807", "-9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "5000000000000000000", "9007199254740993", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf",
    "-1", "0.5", "0", "4096.0", "",
  ]

  @Test func `figures at the ends of what fits are compared, or are one sentence with a line`()
    throws
  {
    let good = "1,full,4,2,ok,100,128,200,1.5,0.5,1".split(separator: ",").map(String.init)
    let tensor = "p,full,float32,4,0,0,a,x,1,uint8,10,16".split(separator: ",").map(String.init)
    var (compared, refused) = (0, 0)
    for (header, row, columns) in [
      (header, good, [5, 6, 7, 8, 9]), (ledgerHeader, tensor, [4, 5, 10, 11]),
    ] {
      let plain = header + row.joined(separator: ",") + "\n"
      for column in columns {
        for value in Self.extremes {
          var changed = row
          changed[column] = value
          // Twice in a ledger: one tensor's bytes are added up.
          let lines = Array(repeating: changed.joined(separator: ",") + "\n", count: 2)
          let odd = header + (header == ledgerHeader ? lines.joined() : lines[0])
          for (a, b) in [(plain, odd), (odd, plain), (odd, odd)] {
            do {
              let comparison = try compare([("a.csv", a), ("b.csv", b)])
              let text = ComparisonTable.text(
                of: comparison.points, onlyBefore: comparison.onlyBefore,
                onlyAfter: comparison.onlyAfter)
              #expect(!text.isEmpty && comparison.increases(beyond: 0).count <= 3)
              compared += 1
            } catch let error as FileError {
              let sentence = error.description
              let isPlaced =
                sentence.contains(": line 2 has") || sentence.contains(": line 3 brings")
              #expect(isPlaced || sentence.contains("two rows of one point"), "\(sentence)")
              refused += 1
            }
          }
        }
      }
    }
    #expect(compared > 100 && refused > 100)
  }

  @Test func `an increase beyond 64 bits, and a sum, are said without a trap`() throws {
    let most = "9223372036854775807"
    let comparison = try compare([
      ("a.csv", header + "1,full,4,2,ok,1,1,1,,,1\n"),
      ("b.csv", header + "1,full,4,2,ok,\(most),1,1,,,1\n"),
    ])
    #expect(
      comparison.increases(beyond: 0)
        == ["retained of full n_c=4 grew from 1 B to 9.223372036854776e+18 B"])
    let half = "p,full,float32,4,0,0,a,x,1,uint8,5000000000000000000,1\n"
    let twice = half + half.replacing("float32,4,0,", with: "float32,4,1,")
    let error = try #require(throws: FileError.self) {
      _ = try compare([("a.csv", ledgerHeader + half), ("b.csv", ledgerHeader + twice)])
    }
    #expect(
      error.description.contains("b.csv: line 3 brings the bytes of its point beyond \(most)"))
  }

  @Test func `an empty name is one sentence`() throws {
    let error = try #require(throws: FileError.self) { _ = try ResultPoints("") }
    #expect(error.description.contains("the name of a result is empty"))
  }

  @Test func `a file or folder that is none of ours is one sentence`() throws {
    func sentence(_ files: [(String, String)], _ b: String) throws -> String {
      try #require(throws: FileError.self) {
        _ = try compare([("a.csv", Self.good)] + files, "a.csv", b)
      }.description
    }
    #expect(try sentence([], "none.csv").contains("there is no such file"))
    #expect(try sentence([("b/x", "")], "b").contains("holds no points.csv"))
    #expect(try sentence([("b/points.csv", ledgerHeader)], "b").contains("of a points.csv"))
  }
}
