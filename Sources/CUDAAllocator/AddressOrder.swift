/// In which order the driver hands out addresses; of blocks of one size the lowest is taken.
///
/// The order is the driver's secret, and decides ties. A replay says how far its figures depend on
/// it by going through several.
package enum AddressOrder: Hashable, Sendable {
  /// Each segment above those before.
  case up
  /// Each segment below those before.
  case down
  /// Anywhere.
  case random(seed: UInt64)
  /// As a run got them; further segments are above those.
  case given([Int])

  /// As tables and files name it.
  package var name: String {
    switch self {
    case .up: "up"
    case .down: "down"
    case .random(let seed): "random \(seed)"
    case .given: "as recorded"
    }
  }

  /// Those of which a range is made.
  package static let several = [up, down] + (1...6).map { random(seed: $0) }
}

/// Hands out addresses of segments in an order.
struct SegmentAddresses {
  private let order: AddressOrder
  private var next: Int
  private var random = SplitMix(seed: 0)
  private var taken = 0

  init(_ order: AddressOrder) {
    self.order = order
    next = 1 << 46
    switch order {
    case .random(let seed): random = SplitMix(seed: seed)
    case .given(let addresses): next = max(next, (addresses.max() ?? 0) + 1 << 30)
    case .up, .down: break
    }
  }

  /// The address of a new segment.
  mutating func address(ofSize size: Int) -> Int {
    switch order {
    case .down:
      next -= size
      return next
    case .random: return Int(random.next() >> 4) & ~511
    case .given(let addresses) where taken < addresses.count:
      taken += 1
      return addresses[taken - 1]
    case .up, .given:
      next += size
      return next - size
    }
  }
}
