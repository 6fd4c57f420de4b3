package import Retention
import Spelling
import Transformer
import Values

/// Why a tokens file cannot be used, as one sentence that names the file.
package struct TokensError: Error, Equatable, CustomStringConvertible {
  package let file: String
  package let fault: Fault

  init(_ file: String, _ fault: Fault) { (self.file, self.fault) = (file, fault) }

  /// Where a token stands; no sequence in a flat list.
  package struct Position: Equatable, Sendable, CustomStringConvertible {
    package let sequence: Int?
    package let index: Int

    package var description: String { "tokens\(sequence.map { "[\($0)]" } ?? "")[\(index)]" }
  }

  /// What is wrong.
  package enum Fault: Equatable, Sendable {
    case unreadable(String)
    case notJSON(String)
    case notObject(found: String)
    case otherKey(String)
    case noTokens
    case notList(found: String)
    case notSequence(Int, found: String)
    case notInteger(Position, found: String)
    case outsideVocabulary(Position, token: Int, vocab: Int)
    case tooFew(sequence: Int?, found: Int, needed: Int, isGenerated: Bool)
    case sequences(Int, isFlat: Bool, batch: Int, suffixes: Int, hasLengths: Bool)
    case otherPrefix(Position, first: Int)
    case lengths(String, sequences: Int)
    /// Lengths beside the tokens that no sequences have.
    case lengthsFault(Lengths.Fault, text: [String])
  }

  package var description: String { "\(printable(file.unicodeScalars)): \(sentence)" }

  private var sentence: String {
    switch fault {
    case .unreadable(let sentence), .notJSON(let sentence): sentence
    case .notObject(let found): "must hold an object {\"tokens\": [...]}, not \(found)"
    case .otherKey(let key):
      "has the key \(quoted(key)); a tokens file holds \"tokens\", and for sequences of different "
        + "lengths \"n_c\" and \"n_g\""
    case .noTokens: "has no \"tokens\"; write {\"tokens\": [...]}"
    case .notList(let found): "\"tokens\" must be a list of whole numbers, not \(found)"
    case .notSequence(let number, let found):
      "tokens[\(number)] must be a list as the one before it is, not \(found)"
    case .notInteger(let position, let found): "\(position) must be a whole number, not \(found)"
    case .outsideVocabulary(let position, let token, let vocab):
      "\(position) is \(token), but the model's tokens are 0 to \(vocab - 1)"
    case .tooFew(let sequence, let found, let needed, let isGenerated):
      "tokens\(sequence.map { "[\($0)]" } ?? "") has \(found) tokens, but the step reads "
        + "\(needed): n_c + n_g\(isGenerated ? ", and one more for loss rows generated" : "")"
    case .sequences(let found, let isFlat, let batch, let suffixes, let hasLengths):
      Self.tooFewSequences(
        found, isFlat: isFlat, batch: batch, suffixes: suffixes, hasLengths: hasLengths)
    case .lengths(let key, let sequences):
      "\(quoted(key)) must be a list of whole numbers, one for each of the \(sequences) sequences"
    case .lengthsFault(let fault, let text):
      fault.sentence(
        about: WrittenText(text.joined(separator: ",")), as: ValueName("lengths"))
    case .otherPrefix(let position, let first):
      "\(position) is another token than tokens[\(first)][\(position.index)], but suffixes of one "
        + "prefix share their first n_c tokens"
    }
  }

  private static func tooFewSequences(
    _ found: Int, isFlat: Bool, batch: Int, suffixes: Int, hasLengths: Bool
  ) -> String {
    let wanted =
      hasLengths
      ? "lengths have \(batch * suffixes)"
      : suffixes == 1 ? "batch is \(batch)" : "batch is \(batch) and suffixes \(suffixes)"
    return isFlat
      ? "holds one flat list, but \(wanted); write a list of \(batch * suffixes) lists"
      : "holds \(found) \(found == 1 ? "sequence" : "sequences"), but \(wanted)"
  }
}
