import CUDAAllocator

/// Tensors of one size and one maker that are held at a moment.
package struct HeldTensors: Equatable, Sendable {
  package let maker: MemoryStream.Maker
  /// Of each, as it was asked for.
  package let bytes: Int
  package let count: Int

  package var total: Int { bytes * count }
}

extension MemoryStream {
  /// What is held after an event, or before all of them at -1; most bytes first.
  package func held(after event: Int) -> [HeldTensors] {
    var isHeld = Array(repeating: false, count: requests.bytes.count)
    for tensor in requests.standing { isHeld[tensor] = true }
    for event in requests.events.prefix(event + 1) {
      switch event {
      case .allocate(let tensor): isHeld[tensor] = true
      case .retire(let tensor), .release(let tensor): isHeld[tensor] = false
      case .emptyCache: break
      }
    }
    struct Group: Hashable {
      let maker: Int
      let bytes: Int
    }
    var counts: [Group: Int] = [:]
    for tensor in isHeld.indices where isHeld[tensor] {
      counts[Group(maker: makerOfTensor[tensor], bytes: requests.bytes[tensor]), default: 0] += 1
    }
    let groups = counts.map { group, count in
      HeldTensors(maker: makers[group.maker], bytes: group.bytes, count: count)
    }
    return groups.sorted { one, other in
      (other.total, one.maker.op, one.maker.place, one.bytes)
        < (one.total, other.maker.op, other.maker.place, other.bytes)
    }
  }
}
