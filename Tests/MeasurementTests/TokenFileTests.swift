import Autograd
import Files
import Foundation
import Measurement
import Retention
import TestSupport
import Testing
import Transformer

/// Reads `text` as a tokens file.
private func read(_ text: String) throws(TokensError) -> TokenFile {
  try TokenFile(Array(text.utf8), file: "t.json")
}

/// A point of 3 + 2 tokens and a vocabulary of 11.
private func point(batch: Int = 1, lossRows: LossRows = .nextToken) -> Point {
  var point = Point(
    modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11),
    nC: 3, nG: 2)
  point.batch = batch
  point.lossRows = lossRows
  return point
}

@Suite struct TokenFileTests {
  @Test func `a flat list is one sequence, and a list of lists is one a sequence`() throws {
    let flat = try read(#"{"tokens": [1, 2, 3, 4, 10]}"#).tokens(for: point())
    #expect(flat.ids == [1, 2, 3, 4, 10] && flat.stride == 5)
    let nested = try read(#"{"tokens": [[1, 2, 3, 4, 5]]}"#).tokens(for: point())
    #expect(nested.ids == [1, 2, 3, 4, 5])
    let two = try read(#"{"tokens": [[1, 2, 3, 4, 5], [6, 7, 8, 9, 0]]}"#)
      .tokens(for: point(batch: 2))
    #expect(two.ids == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] && two.stride == 5)
  }

  @Test func `the first tokens of each sequence are read, and the rest is told`() throws {
    let file = try read(#"{"tokens": [[1, 2, 3, 4, 5, 6, 7], [6, 7, 8, 9, 0, 1]]}"#)
    let next = point(batch: 2)
    let generated = point(batch: 2, lossRows: .generated)
    #expect(try file.tokens(for: next).ids == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    #expect(try file.tokens(for: generated).ids == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 0, 1])
    #expect(
      file.note(for: [PlannedPoint(point: next)])
        == "t.json: 3 of 13 tokens are not used; the first 5 of each sequence are")
    // What some point reads is used.
    #expect(
      file.note(for: [PlannedPoint(point: next), PlannedPoint(point: generated)])
        == "t.json: 1 of 13 tokens are not used; the first 6 of each sequence are")
    let exact = try read(#"{"tokens": [1, 2, 3, 4, 5]}"#)
    #expect(exact.note(for: [PlannedPoint(point: point())]) == nil)
  }

  @Test func `completions of different length begin with one prompt`() throws {
    var group = point()
    (group.sharing, group.lengths) = (.prefix, written("3+2,3+1"))
    let good = try read(#"{"tokens": [[1, 2, 3, 4, 5], [1, 2, 3, 7, 8]]}"#)
    #expect(try good.tokens(for: group).ids == [1, 2, 3, 4, 5, 1, 2, 3, 7])
    let bad = [
      (#"{"tokens": [[1, 2, 3, 4, 5], [1, 9, 3, 7]]}"#, "tokens[1][1] is another token"),
      (#"{"tokens": [[1, 2, 3, 4, 5]]}"#, "lengths have 2"),
      (#"{"tokens": [[1, 2, 3, 4, 5], [1, 2, 3]]}"#, "tokens[1] has 3 tokens"),
    ]
    for (text, part) in bad {
      let error = #expect(throws: TokensError.self) { try read(text).check(group) }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }
  }

  @Test func `one file serves all batches, each with its first sequences`() throws {
    let file = try read(#"{"tokens": [[1, 2, 3, 4, 5, 6], [6, 7, 8, 9, 0], [7]]}"#)
    #expect(try file.tokens(for: point()).ids == [1, 2, 3, 4, 5])
    #expect(try file.tokens(for: point(batch: 2)).ids == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    let short = #expect(throws: TokensError.self) { try file.check(point(batch: 3)) }
    #expect(short?.description == "t.json: tokens[2] has 1 tokens, but the step reads 5: n_c + n_g")
    let points = [point(), point(batch: 2), point(lossRows: .generated)]
    #expect(
      file.note(for: points.map { PlannedPoint(point: $0) })
        == "t.json: 1 of 12 tokens are not used; the first 6 of the first 2 of 3 sequences are")
  }

  /// A file, the batch, and what the sentence says after the file's name.
  static let bad: [(String, Int, String)] = [
    ("", 1, "is not a JSON file that can be read: it is empty (byte 0)"),
    ("{\"tokens\": [1, 2", 1, "is not a JSON file that can be read: it lacks a comma or a bracket"),
    (
      "{\"tokens\": [1], \"tokens\": [1]}", 1,
      "is not a JSON file that can be read: it has the key \"tokens\" twice"
    ),
    ("[1, 2, 3, 4, 5]", 1, "must hold an object {\"tokens\": [...]}, not an array"),
    ("{}", 1, "has no \"tokens\"; write {\"tokens\": [...]}"),
    ("{\"token\": [1]}", 1, "has the key \"token\"; a tokens file holds \"tokens\", and for"),
    ("{\"tokens\": [1], \"attention_mask\": [1]}", 1, "has the key \"attention_mask\""),
    ("{\"tokens\": 7}", 1, "\"tokens\" must be a list of whole numbers, not 7"),
    ("{\"tokens\": null}", 1, "\"tokens\" must be a list of whole numbers, not null"),
    ("{\"tokens\": [1, 2.0, 3]}", 1, "tokens[1] must be a whole number, not 2.0"),
    ("{\"tokens\": [1, \"2\"]}", 1, "tokens[1] must be a whole number, not the string \"2\""),
    ("{\"tokens\": [1, [2]]}", 1, "tokens[1] must be a whole number, not an array"),
    ("{\"tokens\": [99999999999999999999]}", 1, "tokens[0] must be a whole number, not 1e+20"),
    ("{\"tokens\": [[1], 2]}", 2, "tokens[1] must be a list as the one before it is, not 2"),
    ("{\"tokens\": [[1], [2, true]]}", 2, "tokens[1][1] must be a whole number, not true"),
    ("{\"tokens\": [1, 2, 3, 4, 11]}", 1, "tokens[4] is 11, but the model's tokens are 0 to 10"),
    ("{\"tokens\": [1, -2, 3, 4, 5]}", 1, "tokens[1] is -2, but the model's tokens are 0 to 10"),
    (
      "{\"tokens\": [[1, 2, 3, 4, 5], [1, 2, 3, 4, 9223372036854775807]]}", 2,
      "tokens[1][4] is 9223372036854775807, but"
    ),
    // A token that no point reads is checked too.
    ("{\"tokens\": [1, 2, 3, 4, 5, 99]}", 1, "tokens[5] is 99, but"),
    ("{\"tokens\": []}", 1, "tokens has 0 tokens, but the step reads 5: n_c + n_g"),
    ("{\"tokens\": [1, 2, 3, 4]}", 1, "tokens has 4 tokens, but the step reads 5: n_c + n_g"),
    ("{\"tokens\": [[1, 2, 3, 4, 5], [1]]}", 2, "tokens[1] has 1 tokens, but the step reads 5"),
    ("{\"tokens\": [[1, 2, 3, 4, 5]]}", 2, "holds 1 sequence, but batch is 2"),
    ("{\"tokens\": [[1], [2], [3]]}", 4, "holds 3 sequences, but batch is 4"),
    ("{\"tokens\": [1, 2, 3, 4, 5]}", 3, "holds one flat list, but batch is 3; write a list of 3"),
  ]

  @Test(arguments: bad)
  func `a bad file is refused with its name and one sentence`(
    text: String, batch: Int, part: String
  ) throws {
    let error = try #require(
      throws: TokensError.self, performing: { try read(text).check(point(batch: batch)) })
    #expect(error.description.hasPrefix("t.json: \(part)"), "\(error)")
    #expect(!error.description.contains("\n") && error.description.utf8.count < 200)
  }

  @Test func `rows that predict the token after them want one more`() throws {
    let error = try #require(
      throws: TokensError.self,
      performing: {
        try read(#"{"tokens": [1, 2, 3, 4, 5]}"#).check(point(lossRows: .generated))
      })
    #expect(
      error.description == "t.json: tokens has 5 tokens, but the step reads 6: n_c + n_g, and one "
        + "more for loss rows generated")
  }

  @Test(arguments: [
    ("/nowhere/t.json", "No such file"), ("/", "is a directory"),
    ("/dev/zero", "is not a regular file"),
  ])
  func `a file that cannot be read is refused`(path: String, part: String) throws {
    let error = try #require(
      throws: TokensError.self, performing: { _ = try TokenFile.read(path) })
    #expect(error.description.contains(part) && error.description.hasPrefix("\(path): "))
  }

  @Test func `a file of more tokens than are read is refused early`() throws {
    let many = String(repeating: "1,", count: TokenFile.mostTokens)
    let error = try #require(
      throws: TokensError.self, performing: { _ = try read("{\"tokens\": [\(many)1]}") })
    #expect(error.description.contains("holds more than \(TokenFile.mostTokens) values"))
  }
}
