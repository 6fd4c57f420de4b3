import Glibc
import Spelling
package import Values

/// A regular expression that is looked for in parameter names, which takes no name long.
///
/// glibc matches it (`regcomp`, `regexec`) without trying one way after the other, so that
/// `(.+)+Z` costs what `.+Z` does; Swift's `Regex` never ends on that one. The usual spellings that
/// POSIX lacks (`\d`, `(?:…)`, lazy quantifiers) are put into its own; what it cannot do
/// (lookaround, references to groups, possessive quantifiers) is refused. It copies what is
/// repeated, so the size of a pattern with all copies made is bounded.
@safe package final class NamePattern: WrittenValue {
  package static var kind: ValueKind { .text }

  /// Most characters of a pattern, and most of them with every repetition written out.
  private static let most = 1_000

  package let written: String
  /// Written by `regcomp` alone; `regexec` locks what it caches in it.
  private nonisolated(unsafe) let compiled: UnsafeMutablePointer<regex_t>

  package init(_ written: WrittenText) throws(PatternFault) {
    unsafe compiled = try Self.compiled(written.text)
    self.written = written.text
  }

  private static func compiled(
    _ text: String
  ) throws(PatternFault) -> UnsafeMutablePointer<regex_t> {
    guard text.unicodeScalars.count <= most else { throw .tooLong(most: most) }
    guard text.utf8.allSatisfy({ (1...127).contains($0) }) else {
      throw .unknown("a character beyond ASCII")
    }
    var translation = Translation(rest: text[...])
    try translation.run(most)
    let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
    let status = unsafe regcomp(compiled, translation.posix, REG_EXTENDED | REG_NOSUB)
    if status == 0 { return unsafe compiled }
    var reason = [CChar](repeating: 0, count: 128)
    _ = unsafe regerror(status, compiled, &reason, reason.count)
    unsafe compiled.deallocate()
    throw .syntax(String(decoding: reason.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
  }

  deinit {
    unsafe regfree(compiled)
    unsafe compiled.deallocate()
  }

  /// Whether the pattern is found anywhere in a name.
  package func isFound(in name: String) -> Bool { unsafe regexec(compiled, name, 0, nil, 0) == 0 }

  package static func == (left: NamePattern, right: NamePattern) -> Bool {
    left.written == right.written
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(written) }
}

/// What is wrong with a pattern.
package enum PatternFault: ValueFault {
  case tooLong(most: Int)
  /// No regular expression, for a reason in words.
  case syntax(String)
  /// More repetitions in all than there may be.
  case tooOften(most: Int)
  /// More groups within groups than there may be.
  case tooDeep(most: Int)
  /// What patterns of names do without.
  case unknown(String)

  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let predicate =
      switch self {
      case .tooLong(let most): "is longer than \(most) characters"
      case .syntax(let reason): "is not a regular expression: \(reason)"
      case .tooOften(let most): "repeats more than \(most) times in all, which is too often"
      case .tooDeep(let most): "has more than \(most) groups within groups"
      case .unknown(let what): "has \(what), which patterns of parameter names do without"
      }
    return "\(name.subject) \(quoted(given.text)) \(predicate)"
  }
}

/// Puts a pattern into POSIX's extended syntax.
private struct Translation {
  /// What is still to be read.
  var rest: Substring
  var posix = ""
  /// The sizes of the groups that are open, the whole pattern first, with all copies made.
  private var sizes = [0]

  init(rest: Substring) { self.rest = rest }

  mutating func run(_ most: Int) throws(PatternFault) {
    while let character = rest.popFirst() {
      var size = 1
      switch character {
      case "\\": posix += try escape(inClass: false)
      case "[": try bracket()
      case "(":
        try open()
        continue
      case ")":
        guard sizes.count > 1 else { throw .syntax("a ) closes no group") }
        posix += ")"
        size += sizes.removeLast()
      default: posix.append(character)
      }
      size *= max(1, try quantifier(after: size, most))
      sizes[sizes.count - 1] += size
      guard sizes[sizes.count - 1] <= most else { throw .tooOften(most: most) }
    }
    guard sizes.count == 1 else { throw .syntax("a group is not closed") }
  }

  private mutating func open() throws(PatternFault) {
    posix += "("
    sizes.append(0)
    guard sizes.count <= 101 else { throw .tooDeep(most: 100) }
    guard rest.first == "?" else { return }
    let kinds = [
      ("?:", ""), ("?=", "lookaround"), ("?!", "lookaround"), ("?<=", "lookaround"),
      ("?<!", "lookaround"), ("?>", "an atomic group"), ("?", "a group with a name or an option"),
    ]
    if let (_, name) = kinds.first(where: { rest.hasPrefix($0.0) }), !name.isEmpty {
      throw .unknown(name)
    }
    rest.removeFirst(2)
  }

  /// Takes a quantifier, and its `?`: a name is found whichever way is tried first.
  private mutating func quantifier(after size: Int, _ most: Int) throws(PatternFault) -> Int {
    let count = try? /[*+?]|\{(\d{0,5})(?:(,)(\d{0,5}))?\}/.prefixMatch(in: rest)
    guard let count else {
      guard rest.first == "{" else { return 1 }
      throw .syntax("a { opens no count; write \\{ for the brace itself")
    }
    posix += count.0
    rest.removeFirst(count.0.count)
    if rest.first == "?" { rest.removeFirst() }
    if rest.first == "+" { throw .unknown("a possessive quantifier") }
    if let next = rest.first, "*?{".contains(next) {
      throw .syntax("one quantifier follows another")
    }
    let times = max(count.1.flatMap { Int($0) } ?? 1, count.3.flatMap { Int($0) } ?? 1)
    guard times * size <= most else { throw .tooOften(most: most) }
    return times
  }

  private mutating func bracket() throws(PatternFault) {
    posix += "["
    if rest.first == "^" { posix.append(rest.removeFirst()) }
    if rest.first == "]" { throw .syntax("a class is empty; write \\] for the bracket itself") }
    while let character = rest.popFirst() {
      switch character {
      case "]": return posix += "]"
      case "[": throw .syntax("a [ stands in a class; write \\[ for the bracket itself")
      case "\\": posix += try escape(inClass: true)
      default: posix.append(character)
      }
    }
    throw .syntax("a class is not closed")
  }

  /// What stands after a backslash; glibc itself knows `\b`, `\w`, `\s` and their opposites.
  private mutating func escape(inClass: Bool) throws(PatternFault) -> String {
    guard let character = rest.popFirst() else { throw .syntax("it ends with a backslash") }
    switch character {
    case "d": return inClass ? "0-9" : "[0-9]"
    case "D" where !inClass: return "[^0-9]"
    case "w" where inClass: return "_[:alnum:]"
    case "s" where inClass: return "[:space:]"
    case _ where !inClass && "wWsSbB".contains(character): return "\\\(character)"
    case "A" where !inClass: return "^"
    case _ where !inClass && "zZ".contains(character): return "$"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "1"..."9", "k": throw .unknown("a reference to a group")
    case _ where character.isLetter || character.isNumber:
      throw .unknown("the escape \\\(character)")
    case "^" where !inClass: return "\\^"
    default: return inClass ? "[.\(character).]" : "[\(character)]"
    }
  }
}
