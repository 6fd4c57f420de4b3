import Foundation

/// Changes bytes of good files at random, for tests that feed them to a reader.
package struct ByteMutator {
  /// What is put in place of other bytes.
  private let pieces: [[UInt8]]
  private var random: SplitMix64

  /// How many mutations a suite makes: `BALLAST_FUZZ_COUNT`, or as many as a test may.
  package static let count = max(environment("BALLAST_FUZZ_COUNT") ?? 20_000, 10)
  private static let seed = UInt64(truncatingIfNeeded: environment("BALLAST_FUZZ_SEED") ?? 1)

  private static func environment(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  /// - Parameters:
  ///   - pieces: What the reader may stumble over; bytes that are no UTF-8 are added to them.
  ///   - stream: Tells apart the mutators of one `BALLAST_FUZZ_SEED`.
  package init(_ pieces: [String], stream: UInt64) {
    self.pieces =
      pieces.map { Array($0.utf8) } + [[0xff], [0xc0, 0x80], [0xef, 0xbb, 0xbf], [0]]
    random = SplitMix64(seed: Self.seed &+ stream)
  }

  /// One of `values`, at random.
  package mutating func pick<T>(_ values: T...) -> T {
    values[Int.random(in: values.indices, using: &random)]
  }

  /// One to four changes of bytes, ranges, pieces or numbers.
  package mutating func mutate(_ original: [UInt8]) -> [UInt8] {
    var bytes = original
    for _ in 0..<max(1, Int.random(in: -3...4, using: &random)) { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let at = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, at + Int.random(in: 0...24, using: &random))
    let piece = pieces.randomElement(using: &random) ?? []
    switch Int.random(in: 0..<8, using: &random) {
    case 0: if at < bytes.count { bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
    case 1: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &random) }
    case 2: bytes.removeSubrange(at..<end)
    case 3: bytes.insert(contentsOf: bytes[at..<end], at: at)
    case 4: bytes.removeSubrange(at...)
    case 5: bytes.insert(contentsOf: piece, at: at)
    default: replaceNumber(in: &bytes, by: piece)
    }
  }

  /// A whole number in the text becomes `piece`.
  private mutating func replaceNumber(in bytes: inout [UInt8], by piece: [UInt8]) {
    func isDigit(_ index: Int) -> Bool { (0x30...0x39).contains(bytes[index]) }
    guard let first = bytes.indices.filter(isDigit).randomElement(using: &random) else { return }
    var last = first
    while last + 1 < bytes.count && isDigit(last + 1) { last += 1 }
    bytes.replaceSubrange(first...last, with: piece)
  }
}
