import Testing

import Jemalloc

@Suite struct `An arena` {
  /// Sizes from 1 B to 64 MiB, as many of every magnitude.
  private func randomSize(using generator: inout SplitMix64) -> Int {
    let magnitude = Int.random(in: 0...25, using: &generator)
    return Int.random(in: (1 << magnitude)...(2 << magnitude), using: &generator)
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `reports exactly the sum of its blocks`(seed: UInt64) throws {
    var generator = SplitMix64(state: seed)
    let arena = try Arena()
    var blocks: [Block] = []
    var expected = 0
    for step in 0..<4000 {
      if step % 3 == 2 || blocks.count > 300 {
        let block = blocks.remove(at: Int.random(in: 0..<blocks.count, using: &generator))
        expected -= block.bytes
        unsafe arena.deallocate(block.address)
      } else {
        let size = randomSize(using: &generator)
        let address = try unsafe take(size, from: arena)
        let bytes = unsafe Arena.allocatedBytes(of: address)
        #expect(bytes == Arena.sizeClass(for: size))
        #expect(bytes >= size)
        #expect(Int(bitPattern: address) % 64 == 0)
        unsafe blocks.append(Block(address: address, bytes: bytes))
        expected += bytes
      }
      if step % 100 == 0 { #expect(try arena.statistics().allocated == expected) }
    }
    #expect(try arena.statistics().allocated == expected)
    for block in blocks { unsafe arena.deallocate(block.address) }
    #expect(try arena.statistics().allocated == 0)
    #expect(try arena.statistics().active == 0)
  }

  @Test func `knows nothing of another arena's blocks`() throws {
    let one = try Arena()
    let other = try Arena()
    let block = try unsafe take(100_000, from: one)
    #expect(try one.statistics().largeAllocated == Arena.sizeClass(for: 100_000))
    #expect(try one.statistics().smallAllocated == 0)
    #expect(try other.statistics().allocated == 0)
    unsafe one.deallocate(block)
    #expect(try one.statistics().allocated == 0)
  }

  @Test func `gives no bytes the smallest block`() throws {
    let arena = try Arena()
    let block = try unsafe take(0, from: arena)
    #expect(unsafe Arena.allocatedBytes(of: block) == Arena.sizeClass(for: 0))
    #expect(try arena.statistics().smallAllocated == Arena.sizeClass(for: 1))
    unsafe arena.deallocate(block)
  }

  @Test(arguments: [1 << 48, Int.max / 2, Int.max - 63, Int.max])
  func `refuses what no machine has`(bytes: Int) throws {
    let arena = try Arena()
    #expect(unsafe arena.allocate(bytes: bytes) == nil)
    #expect(Arena.sizeClass(for: bytes) >= bytes)
    #expect(try arena.statistics().allocated == 0)
  }

  @Test func `keeps the pages of freed blocks`() throws {
    let arena = try Arena()
    let bytes = 32 << 20
    let block = try unsafe take(bytes, from: arena)
    unsafe block.initializeMemory(as: UInt8.self, repeating: 1, count: bytes)
    let live = try arena.statistics()
    #expect(live.active >= bytes)
    #expect(live.resident >= live.active)
    #expect(live.mapped >= live.active)
    unsafe arena.deallocate(block)
    #expect(try arena.statistics().dirty >= bytes)
  }

  @Test func `is destroyed with blocks in it, and its index is used again`() throws {
    for _ in 0..<200 {
      let arena = try Arena()
      #expect(try arena.statistics().allocated == 0)
      _ = unsafe arena.allocate(bytes: 1 << 20)
      _ = unsafe arena.allocate(bytes: 1)
    }
  }
}

@Suite struct `A control` {
  @Test func `that does not exist is an error with its name`() {
    let control = Control<Int>("arena.0.no_such_thing")
    #expect(throws: JemallocError(status: 2, name: "arena.0.no_such_thing")) {
      try control.read()
    }
  }

  @Test func `refuses a value of the wrong size`() {
    #expect(throws: JemallocError.self) { try Control<UInt8>("arenas.page").read() }
  }
}

/// A block that the system has to have.
private func take(_ bytes: Int, from arena: borrowing Arena) throws -> UnsafeMutableRawPointer {
  guard let block = unsafe arena.allocate(bytes: bytes) else {
    throw JemallocError(status: 12, name: "mallocx")
  }
  return unsafe block
}

/// A block and the bytes that it takes.
@safe private struct Block {
  let address: UnsafeMutableRawPointer
  let bytes: Int
}

/// Steele, Lea and Flood's generator, so that a failure repeats.
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
