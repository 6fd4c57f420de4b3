import Spelling
import Transformer
package import Values

/// One of the parts into which a profile is divided, `I/N`.
package struct Shard: WrittenValue, CustomStringConvertible {
  /// From 1 to `count`.
  package let index: Int
  package let count: Int

  /// How many parts there may be; a Slurm array has 1000 tasks unless its cluster says otherwise.
  package static let most = 1000

  package static var kind: ValueKind { .text }
  package var written: String { "\(index)/\(count)" }
  package var description: String { written }

  /// What is wrong with a shard.
  package enum Fault: ValueFault {
    case noPair
    case count(Int)
    case index(Int, count: Int)

    package func sentence(about given: WrittenText, as name: ValueName) -> String {
      let subject = "\(name.subject) \(quoted(given.text))"
      return switch self {
      case .noPair: "\(subject) is not I/N, such as 2/3 for the second of three"
      case .count(let count): "\(subject): N must be 1 to \(Shard.most), not \(count)"
      case .index(let index, let count): "\(subject): I must be 1 to \(count), not \(index)"
      }
    }
  }

  /// Reads `I/N`, whole numbers with 1 ≤ I ≤ N ≤ 1000.
  package init(_ written: WrittenText) throws(Fault) {
    let parts = written.text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy(Self.isNumber),
      let index = Int(parts[0]), let count = Int(parts[1])
    else { throw .noPair }
    guard (1...Self.most).contains(count) else { throw .count(count) }
    guard (1...count).contains(index) else { throw .index(index, count: count) }
    (self.index, self.count) = (index, count)
  }

  private static func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }
}

extension Shard: Codable {
  package init(from decoder: any Swift.Decoder) throws {
    self = try Shard(decoder.singleValueContainer().decode(String.self), for: "shard")
  }

  package func encode(to encoder: any Swift.Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
