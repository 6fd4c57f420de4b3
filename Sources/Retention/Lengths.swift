import Autograd
import Spelling
import Tensors
package import Values

/// Prefix and generated tokens of each of some sequences, written `128+16,4096+512`.
package struct Lengths: WrittenValue {
  /// What is said of each sequence, so that no axis says it beside.
  package static let told = ["n_c", "n_g", "batch", "suffixes"]

  /// The tokens of one sequence.
  package struct Sequence: Hashable, Sendable {
    package let nC: Int
    package let nG: Int

    var written: String { "\(nC)+\(nG)" }
  }

  /// At least one.
  package let sequences: [Sequence]

  /// Most sequences of one step.
  package static let most = 4096
  /// Most tokens of each part of a sequence.
  static let mostTokens = 1 << 28

  package static var kind: ValueKind { .text }
  package var written: String { sequences.map(\.written).joined(separator: ",") }

  /// What is wrong with lengths.
  package enum Fault: ValueFault {
    /// A part that is not two whole numbers.
    case noPair(String)
    /// A sequence with more or fewer tokens than one can have.
    case outside(String)
    case tooMany(Int)
  }

  /// Lengths that are known to be possible ones.
  package init(_ sequences: [(nC: Int, nG: Int)]) {
    self.sequences = sequences.map { Sequence(nC: $0.nC, nG: $0.nG) }
  }

  /// Holds lengths against what they can be.
  package init(checking sequences: [(nC: Int, nG: Int)]) throws(Fault) {
    self.init(sequences)
    let most = Self.mostTokens
    for sequence in self.sequences {
      guard (0...most).contains(sequence.nC), (1...most).contains(sequence.nG) else {
        throw .outside(sequence.written)
      }
    }
    guard sequences.count <= Self.most else { throw .tooMany(sequences.count) }
  }

  package init(_ written: WrittenText) throws(Fault) {
    var sequences: [(nC: Int, nG: Int)] = []
    for word in written.text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "+", omittingEmptySubsequences: false).map {
        Int($0.trimmingPrefix { $0 == " " })
      }
      guard parts.count == 2, let nC = parts[0], let nG = parts[1] else {
        throw .noPair(String(word))
      }
      sequences.append((nC, nG))
    }
    try self.init(checking: sequences)
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
}

extension Lengths.Fault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let start = "\(name.subject) \(quoted(given.text)) has "
    return switch self {
    case .noPair(let word):
      start + "\(quoted(word)); write n_c+n_g of each sequence, such as 128+16,4096+512"
    case .outside(let word):
      start + "\(quoted(word)); n_c must be 0 to \(Lengths.mostTokens) and n_g 1 to "
        + "\(Lengths.mostTokens)"
    case .tooMany(let count):
      "\(name.subject) has \(count) sequences, more than \(Lengths.most)"
    }
  }
}

extension Point {
  /// The points of the single sequences whose lengths differ; none where all are alike.
  ///
  /// Packed sequences do not see each other, so that a step of them is a step of each.
  package var sequencePoints: [Point] {
    guard let lengths else { return [] }
    return lengths.sequences.map { sequence in
      var point = self
      (point.lengths, point.packing, point.sharing) = (nil, .packed, .none)
      (point.nC, point.nG, point.batch, point.suffixes) = (sequence.nC, sequence.nG, 1, 1)
      return point
    }
  }

  /// Tokens of the longest sequence: what the length of a step is where something depends on it, as
  /// one batch of all sequences has it.
  var longestSequence: Int { sequencePoints.map(\.n).max() ?? n }

  /// The points of the completions that share a prefix: of those of different length each is of a
  /// single one.
  var completionPoints: [Point] {
    guard lengths != nil else { return Array(repeating: self, count: suffixes) }
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
    let alike = lengths == nil ? suffixes : hasOnePrompt ? sequencePoints.count : 1
    return SequenceNumbers(
      stride: lengths == nil && sharing == .prefix ? suffixes : 1, group: alike,
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
    guard let sequences = lengths?.sequences else { return }
    nC = sequences.map(\.nC).max() ?? nC
    nG = sequences.map(\.nG).max() ?? nG
    (batch, suffixes) = counts(of: sequences.count)
  }

  /// Prefixes, and completions of each, of so many sequences with lengths of their own.
  private func counts(of sequences: Int) -> (batch: Int, suffixes: Int) {
    sharing == .prefix ? (1, sequences) : (sequences, 1)
  }

  /// Checks lengths that differ, and what goes with them.
  func validateLengths() throws(PointError) {
    guard lengths != nil else {
      if packing == .padded { throw .tokens(.layoutWithoutLengths(packing)) }
      return
    }
    let sequences = sequencePoints
    let counts = counts(of: sequences.count)
    guard batch == counts.batch else {
      throw .tokens(.count("batch", batch, sequences: sequences.count))
    }
    guard suffixes == counts.suffixes else {
      throw .tokens(.count("suffixes", suffixes, sequences: sequences.count))
    }
    if sharing == .prefix { try validateOnePrompt(of: sequences) }
    guard recipe == .ballast else {
      throw conflict("lengths", nil, "recipe", recipe, [.ballast])
    }
    guard dropout == 0 else { throw conflict("lengths", nil, "dropout", dropout, [0]) }
    for sequence in sequences { try sequence.validate() }
    guard packing == .packed || mode == .fullGraph else { throw .tokens(.paddedMode(mode.name)) }
  }

  /// Checks sequences that are completions of one prefix.
  private func validateOnePrompt(of sequences: [Point]) throws(PointError) {
    guard packing == .packed else { throw .tokens(.paddedPrefix) }
    let nC = sequences.map(\.nC)
    guard let other = nC.first(where: { $0 != nC[0] }) else { return }
    throw .tokens(.severalPrompts(nC[0], other))
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
