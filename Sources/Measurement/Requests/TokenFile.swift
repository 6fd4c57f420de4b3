package import Autograd
package import Files
package import Retention
import Transformer

/// The tokens of `--tokens`: `{"tokens": [...]}`, one list, or a list of lists with one a sequence.
///
/// Sequences of different lengths have `"n_c"` and `"n_g"` beside them, a number for each.
///
/// A point reads the first `batch` sequences, of each the first `n_c + n_g` tokens, and one more
/// where `loss_rows` is `generated`; the rest is left, so that one file serves a whole sweep.
package struct TokenFile: Sendable {
  package let path: String
  /// One array a sequence.
  private let sequences: [[Int]]
  /// Whether the file holds one flat list.
  private let isFlat: Bool
  /// The least and the greatest token.
  private let range: ClosedRange<Int>?
  /// Prefix and generated tokens of each sequence, as the axis `lengths` has them; nil where the
  /// file does not say.
  package let lengths: Lengths?

  /// The most bytes of a file, and the most values in it: together they stay below 1 GiB of memory.
  package static let mostBytes = 64 << 20
  package static let mostTokens = 1 << 22

  /// Reads a file.
  ///
  /// - Throws: `TokensError` with the first thing that is wrong.
  package static func read(_ path: String) throws(TokensError) -> TokenFile {
    let bytes: [UInt8]
    do throws(OpenedFile.Failure) {
      bytes = try OpenedFile(path).contents(most: mostBytes)
    } catch {
      throw TokensError(path, .unreadable(error.sentence))
    }
    return try TokenFile(bytes, file: path)
  }

  /// Reads the bytes of a file; `file` names it in errors.
  package init(_ bytes: [UInt8], file: String) throws(TokensError) {
    path = file
    let members = try Self.members(bytes, file: file)
    let list = try Self.list(members, file: file)
    func integer(_ value: JSON, _ sequence: Int?, _ position: Int) throws(TokensError) -> Int {
      if case .integer(let token) = value { return token }
      let place = TokensError.Position(sequence: sequence, index: position)
      throw TokensError(file, .notInteger(place, found: value.kind))
    }
    func integers(_ values: [JSON], _ sequence: Int?) throws(TokensError) -> [Int] {
      var tokens: [Int] = []
      tokens.reserveCapacity(values.count)
      for (position, value) in values.enumerated() {
        tokens.append(try integer(value, sequence, position))
      }
      return tokens
    }
    if case .array = list.first { isFlat = false } else { isFlat = true }
    var sequences = isFlat ? [try integers(list, nil)] : []
    for (number, value) in list.enumerated() where !isFlat {
      guard case .array(let values) = value else {
        throw TokensError(file, .notSequence(number, found: value.kind))
      }
      sequences.append(try integers(values, number))
    }
    self.sequences = sequences
    lengths = try Self.lengths(members, of: sequences.count, file: file)
    let least = sequences.lazy.compactMap { $0.min() }.min()
    let greatest = sequences.lazy.compactMap { $0.max() }.max()
    range = least.flatMap { least in greatest.map { least...$0 } }
  }

  /// The object's members: `"tokens"`, and perhaps `"n_c"` and `"n_g"`.
  private static func members(
    _ bytes: [UInt8], file: String
  ) throws(TokensError) -> [String: JSON] {
    let json: JSON
    do throws(JSONError) {
      json = try JSONParser.parse(bytes, maximumDepth: 8, maximumValues: mostTokens)
    } catch {
      throw TokensError(file, .notJSON(error.sentence))
    }
    guard case .object(let members) = json else {
      throw TokensError(file, .notObject(found: json.kind))
    }
    if let other = members.keys.filter({ !["tokens", "n_c", "n_g"].contains($0) }).min() {
      throw TokensError(file, .otherKey(other))
    }
    return members
  }

  /// The lengths that stand beside the tokens; nil for none.
  private static func lengths(
    _ members: [String: JSON], of count: Int, file: String
  ) throws(TokensError) -> Lengths? {
    guard members["n_c"] != nil || members["n_g"] != nil else { return nil }
    func numbers(_ key: String) throws(TokensError) -> [Int] {
      guard case .array(let list)? = members[key], list.count == count else {
        throw TokensError(file, .lengths(key, sequences: count))
      }
      var numbers: [Int] = []
      for value in list {
        guard case .integer(let number) = value else {
          throw TokensError(file, .lengths(key, sequences: count))
        }
        numbers.append(number)
      }
      return numbers
    }
    let (nC, nG) = (try numbers("n_c"), try numbers("n_g"))
    do throws(Lengths.Fault) { return try Lengths(checking: Array(zip(nC, nG))) } catch {
      throw TokensError(file, .lengthsFault(error, text: zip(nC, nG).map { "\($0)+\($1)" }))
    }
  }

  private static func list(
    _ members: [String: JSON], file: String
  ) throws(TokensError) -> [JSON] {
    guard let value = members["tokens"] else { throw TokensError(file, .noTokens) }
    guard case .array(let list) = value else {
      throw TokensError(file, .notList(found: value.kind))
    }
    return list
  }

  // MARK: Use

  /// Checks that a point can read its tokens from here.
  ///
  /// - Throws: `TokensError` naming the position, or the counts that do not fit.
  package func check(_ point: Point) throws(TokensError) {
    let each = point.sequencePoints
    guard sequences.count >= point.sequences else {
      throw TokensError(
        path,
        .sequences(
          sequences.count, isFlat: isFlat, batch: point.batch, suffixes: point.suffixes,
          hasLengths: !each.isEmpty))
    }
    for (number, tokens) in sequences.prefix(point.sequences).enumerated()
    where tokens.count < (each.isEmpty ? point : each[number]).tokensPerSequence {
      throw TokensError(
        path,
        .tooFew(
          sequence: isFlat ? nil : number, found: tokens.count,
          needed: (each.isEmpty ? point : each[number]).tokensPerSequence,
          isGenerated: point.lossRows == .generated))
    }
    for number in 0..<point.sequences where number % point.suffixes > 0 {
      let (first, own) = (number - number % point.suffixes, sequences[number])
      if let index = (0..<point.nC).first(where: { own[$0] != sequences[first][$0] }) {
        throw TokensError(
          path, .otherPrefix(TokensError.Position(sequence: number, index: index), first: first))
      }
    }
    let valid = 0..<point.model.vocab
    if let range, valid.contains(range.lowerBound), valid.contains(range.upperBound) { return }
    for (number, tokens) in sequences.enumerated() {
      if let position = tokens.firstIndex(where: { !valid.contains($0) }) {
        let token = TokensError.Position(sequence: isFlat ? nil : number, index: position)
        throw TokensError(
          path, .outsideVocabulary(token, token: tokens[position], vocab: point.model.vocab))
      }
    }
  }

  /// The tokens that a point reads: the first of each of its sequences.
  ///
  /// - Throws: `TokensError` as `check` does.
  package func tokens(for point: Point) throws(TokensError) -> TokenIDs {
    try check(point)
    let each = point.sequencePoints
    guard each.isEmpty else {
      let ids = zip(sequences, each).flatMap { tokens, point in
        tokens.prefix(point.tokensPerSequence).map { Int32($0) }
      }
      return TokenIDs(ids: ids, stride: ids.count)
    }
    let stride = point.tokensPerSequence
    return TokenIDs(
      ids: sequences.prefix(point.sequences).flatMap { $0.prefix(stride).map { Int32($0) } },
      stride: stride)
  }

  /// Adds every token to a hash.
  package func add(to digest: inout Digest) {
    for tokens in sequences {
      digest.add(tokens.count)
      for token in tokens { digest.add(token) }
    }
  }

  /// A sentence about tokens that none of the points reads; nil if there are none.
  package func note(for points: [PlannedPoint]) -> String? {
    // Per batch the longest step, of which each of its sequences is read.
    let longest = Dictionary(
      points.filter { $0.point.lengths == nil }.map {
        ($0.point.sequences, $0.point.tokensPerSequence)
      }, uniquingKeysWith: max)
    guard !longest.isEmpty else { return nil }
    let widest = longest.keys.max() ?? 0
    let lengths = sequences.indices.map { number in
      longest.lazy.filter { $0.key > number }.map(\.value).max() ?? 0
    }
    let stored = sequences.reduce(0) { $0 + $1.count }
    let used = zip(sequences, lengths).reduce(0) { $0 + min($1.0.count, $1.1) }
    guard used < stored else { return nil }
    let which = widest < sequences.count ? "the first \(widest) of \(sequences.count)" : "each"
    let noun = widest < sequences.count ? "sequences" : "sequence"
    return "\(path): \(stored - used) of \(stored) tokens are not used; "
      + "the first \(lengths.max() ?? 0) of \(which) \(noun) are"
  }
}
