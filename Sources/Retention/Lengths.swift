import Autograd
package import Spelling
import Tensors

/// Prefix and generated tokens of each of some sequences.
package struct Lengths: Sendable {
  /// What is said of each sequence, so that no axis says it beside.
  package static let told = ["n_c", "n_g", "batch", "suffixes"]

  /// Why an axis is not given beside them.
  package static func leaving(_ axis: String) -> String {
    "lengths say n_c and n_g of each sequence, and how many there are; leave \(axis) out"
  }

  /// At least one.
  package let sequences: [(nC: Int, nG: Int)]

  /// Most sequences of one step.
  package static let most = 4096

  package init(_ sequences: [(nC: Int, nG: Int)]) { self.sequences = sequences }

  /// Reads `128+16,4096+512`.
  ///
  /// - Throws: `ValueError` with the part that is wrong.
  package init(words text: String) throws(ValueError) {
    var sequences: [(nC: Int, nG: Int)] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "+", omittingEmptySubsequences: false).map {
        Int($0.trimmingPrefix { $0 == " " })
      }
      guard parts.count == 2, let nC = parts[0], let nG = parts[1] else {
        throw ValueError(
          "lengths \(quoted(text)) has \(quoted(String(word))); write n_c+n_g of each sequence, "
            + "such as 128+16,4096+512")
      }
      guard nC >= 0, nG >= 1, nC <= 1 << 28, nG <= 1 << 28 else {
        throw ValueError(
          "lengths \(quoted(text)) has \(quoted(String(word))); n_c must be 0 to \(1 << 28) and "
            + "n_g 1 to \(1 << 28)")
      }
      sequences.append((nC, nG))
    }
    guard sequences.count <= Self.most else {
      throw ValueError("lengths has \(sequences.count) sequences, more than \(Self.most)")
    }
    self.init(sequences)
  }

  /// Draws lengths evenly from two ranges, the same on every machine.
  package init(
    drawing count: Int, prefix: ClosedRange<Int>, generated: ClosedRange<Int>, seed: UInt64
  ) {
    let random = CounterRandom(seed: seed, stream: "lengths")
    func draw(_ index: Int, from range: ClosedRange<Int>) -> Int {
      range.lowerBound + random.integer(index, below: range.count)
    }
    self.init(
      (0..<count).map { (draw(2 * $0, from: prefix), draw(2 * $0 + 1, from: generated)) })
  }

  package var text: String { sequences.map { "\($0.nC)+\($0.nG)" }.joined(separator: ",") }
}

extension Point {
  /// The points of the single sequences whose lengths differ; none where all are alike.
  ///
  /// Packed sequences do not see each other, so that a step of them is a step of each.
  package var sequencePoints: [Point] {
    guard !lengths.isEmpty, let all = try? Lengths(words: lengths) else { return [] }
    return all.sequences.map { nC, nG in
      var point = self
      (point.lengths, point.packing, point.sharing) = ("", .packed, .none)
      (point.nC, point.nG, point.batch, point.suffixes) = (nC, nG, 1, 1)
      return point
    }
  }

  /// Tokens of the longest sequence: what the length of a step is where something depends on it, as
  /// one batch of all sequences has it.
  var longestSequence: Int { sequencePoints.map(\.n).max() ?? n }

  /// The points of the completions that share a prefix: of those of different length each is of a
  /// single one.
  var completionPoints: [Point] {
    guard !lengths.isEmpty else { return Array(repeating: self, count: suffixes) }
    return sequencePoints.map { sequence in
      var point = sequence
      point.sharing = .prefix
      return point
    }
  }

  /// Whether the prompts of all sequences are as long, so that they may be one.
  var hasOnePrompt: Bool { Set(sequencePoints.map(\.nC)).count == 1 }

  /// Which sequences of the step those of its first pass are.
  ///
  /// Completions of one prompt share what is drawn for it, whether or not it runs once.
  var sequenceNumbers: SequenceNumbers {
    let alike = lengths.isEmpty ? suffixes : hasOnePrompt ? sequencePoints.count : 1
    return SequenceNumbers(
      stride: lengths.isEmpty && sharing == .prefix ? suffixes : 1, group: alike,
      shared: alike > 1 ? nC : 0)
  }

  /// The sequences in one rectangle, filled up to the longest; nil where they are not.
  var rectangle: PaddedSequences? {
    let sequences = sequencePoints
    guard packing == .padded, !sequences.isEmpty else { return nil }
    return PaddedSequences(sequences: sequences)
  }

  /// The longest prefix and the most generated tokens become the point's own, and there are as
  /// many sequences, or completions of one prefix where they share it.
  mutating func takeLengths() {
    guard !lengths.isEmpty, let all = try? Lengths(words: lengths) else { return }
    nC = all.sequences.map(\.nC).max() ?? nC
    nG = all.sequences.map(\.nG).max() ?? nG
    (batch, suffixes) = counts(of: all.sequences.count)
  }

  /// Prefixes, and completions of each, of so many sequences with lengths of their own.
  private func counts(of sequences: Int) -> (batch: Int, suffixes: Int) {
    sharing == .prefix ? (1, sequences) : (sequences, 1)
  }

  /// Checks lengths that differ, and what goes with them.
  func validateLengths() throws(PointError) {
    guard !lengths.isEmpty else {
      guard packing == .packed else { throw PointError("layout padded goes with lengths") }
      return
    }
    do throws(ValueError) { _ = try Lengths(words: lengths) } catch {
      throw PointError(error.description)
    }
    let sequences = sequencePoints
    let counts = counts(of: sequences.count)
    guard batch == counts.batch else {
      throw PointError(
        "batch \(batch) is not the \(sequences.count) sequences of lengths; leave batch out")
    }
    guard suffixes == counts.suffixes else {
      throw PointError(
        "suffixes \(suffixes) is not what the \(sequences.count) sequences of lengths are; leave "
          + "suffixes out")
    }
    if sharing == .prefix { try validateOnePrompt(of: sequences) }
    guard recipe == .ballast else {
      throw PointError("lengths go with recipe ballast, not \(recipe.rawValue)")
    }
    guard dropout == 0 else { throw PointError("lengths go with dropout 0, not \(dropout)") }
    for sequence in sequences { try sequence.validate() }
    guard packing == .padded else { return }
    guard mode == .fullGraph else {
      throw PointError(
        "layout padded goes with mode full-graph, not \(mode.name.rawValue); packed goes with "
          + "every mode")
    }
  }

  /// Checks sequences that are completions of one prefix.
  private func validateOnePrompt(of sequences: [Point]) throws(PointError) {
    guard packing == .packed else {
      throw PointError("layout padded goes with sharing none; packed goes with sharing prefix too")
    }
    let nC = sequences.map(\.nC)
    guard let other = nC.first(where: { $0 != nC[0] }) else { return }
    throw PointError(
      "sharing prefix is of one prompt, but lengths have n_c \(nC[0]) and \(other); give all the "
        + "same n_c, or sharing none")
  }
}

extension TokenIDs {
  /// The tokens of each of some sequences that follow on one another.
  func parts(of sequences: [Point]) -> [TokenIDs] {
    var first = 0
    return sequences.map { sequence in
      let end = first + sequence.tokensPerSequence
      defer { first = end }
      return ids.isEmpty
        ? TokenIDs(batch: 1, stride: end - first)
        : TokenIDs(ids: Array(ids[first..<end]), stride: end - first)
    }
  }

  /// The tokens of one of several completions of each prefix, with it.
  func completion(_ number: Int, of suffixes: Int) -> TokenIDs {
    guard !ids.isEmpty else { return TokenIDs(batch: batch / suffixes, stride: stride) }
    let own = Swift.stride(from: number, to: batch, by: suffixes).flatMap { sequence in
      ids[sequence * stride..<(sequence + 1) * stride]
    }
    return TokenIDs(ids: own, stride: stride)
  }
}

/// Sequences of different lengths as one batch, each filled up to the longest behind its own rows.
struct PaddedSequences {
  let sequences: [Point]

  /// A point of sequences that are all as long as the longest, with all of its rows.
  var point: Point {
    var point = sequences[0]
    point.batch = sequences.count
    (point.nC, point.nG) = (0, sequences.map(\.n).max() ?? 0)
    return point
  }

  var layout: SequenceLayout {
    SequenceLayout(
      padded: sequences.map { SequenceLayout.PaddedSequence(nC: $0.nC, nG: $0.nG) })
  }

  /// From the first row of any sequence that carries loss to the last.
  var lossRange: Range<Int> {
    let all = sequences.map(\.lossPositions)
    return (all.map(\.lowerBound).min() ?? 0)..<(all.map(\.upperBound).max() ?? 0)
  }

  /// The tokens of the sequences that follow on one another, filled up with token 0.
  func tokens(_ flat: TokenIDs) -> TokenIDs {
    let stride = point.tokensPerSequence
    guard !flat.ids.isEmpty else { return TokenIDs(batch: sequences.count, stride: stride) }
    var first = 0
    let ids = sequences.flatMap { sequence -> [Int32] in
      let end = first + sequence.tokensPerSequence
      defer { first = end }
      return flat.ids[first..<end] + Array(repeating: 0, count: stride - (end - first))
    }
    return TokenIDs(ids: ids, stride: stride)
  }

  /// What each row of `lossRange` is to predict, −1 where it carries no loss; empty without
  /// numbers.
  func labels(_ flat: TokenIDs) -> [Int32] {
    guard !flat.ids.isEmpty else { return [] }
    var first = 0
    return sequences.flatMap { sequence -> [Int32] in
      defer { first += sequence.tokensPerSequence }
      return lossRange.map { row in
        sequence.lossPositions.contains(row) ? flat.ids[first + row + 1] : -1
      }
    }
  }
}
