import Synchronization
import Testing

import Threading

@Suite struct `The team` {
  @Test(arguments: [0, 1, 2, 3, 7, 64, 1000])
  func `runs every task once`(tasks: Int) {
    var counts = Array(repeating: 0, count: tasks)
    unsafe counts.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let base = buffer.baseAddress
      Threads.parallel(tasks: tasks) { unsafe base?[$0] += 1 }
    }
    #expect(counts.allSatisfy { $0 == 1 })
  }

  @Test func `runs loops inside tasks`() {
    let sum = Atomic(0)
    Threads.parallel(tasks: 10) { outer in
      Threads.parallel(tasks: 10) { sum.add(outer * 10 + $0, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 4950)
  }

  @Test(arguments: [(0, 1), (1, 8), (7, 8), (8, 8), (1000, 1), (1000, 600), (4097, 64)])
  func `splits rows without gaps, in no smaller ranges than the grain`(rows: Int, grain: Int) {
    let ranges = Mutex<[Range<Int>]>([])
    Threads.parallel(rows: rows, grain: grain) { range in ranges.withLock { $0.append(range) } }
    let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
    #expect(sorted.flatMap(Array.init) == Array(0..<rows))
    #expect(sorted.count <= Threads.count)
    if sorted.count > 1 { #expect(sorted.allSatisfy { $0.count >= grain }) }
  }
}
