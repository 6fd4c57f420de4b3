package import Spelling
import Transformer

/// One of the parts into which a profile is divided, `I/N`.
package struct Shard: Equatable, Sendable, CustomStringConvertible {
  /// From 1 to `count`.
  package let index: Int
  package let count: Int

  /// How many parts there may be; a Slurm array has 1000 tasks unless its cluster says otherwise.
  package static let most = 1000

  /// Reads `I/N`.
  ///
  /// - Throws: `ValueError` unless both are whole numbers with 1 ≤ I ≤ N ≤ 1000.
  package init(_ text: String) throws(ValueError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy(Self.isNumber),
      let index = Int(parts[0]), let count = Int(parts[1])
    else { throw ValueError("\(quoted(text)) is not I/N, such as 2/3 for the second of three") }
    guard (1...Self.most).contains(count) else {
      throw ValueError("\(quoted(text)): N must be 1 to \(Self.most), not \(count)")
    }
    guard (1...count).contains(index) else {
      throw ValueError("\(quoted(text)): I must be 1 to \(count), not \(index)")
    }
    (self.index, self.count) = (index, count)
  }

  private static func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  package var description: String { "\(index)/\(count)" }
}

extension Shard: Codable {
  package init(from decoder: any Swift.Decoder) throws {
    self = try Shard(decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Swift.Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
