import Foundation
import Synchronization
import Testing

import Threading

@Suite struct `The team` {
  @Test(arguments: [0, 1, 2, 3, 7, 64, 1000])
  func `runs every task once`(tasks: Int) {
    var counts = Array(repeating: 0, count: tasks)
    unsafe counts.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let base = buffer.baseAddress
      Threads.parallel(tasks: tasks) { task, _ in unsafe base?[task] += 1 }
    }
    #expect(counts.allSatisfy { $0 == 1 })
  }

  @Test func `runs loops inside tasks`() {
    let sum = Atomic(0)
    Threads.parallel(tasks: 10) { outer, _ in
      Threads.parallel(tasks: 10) { inner, _ in sum.add(outer * 10 + inner, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 4950)
  }

  @Test(arguments: [1, 2, 3, 5], [1, 2, 4])
  func `numbers its threads, no more than it may use, each at one task at a time`(
    count: Int, most: Int
  ) {
    let before = Threads.count
    Threads.set(count)
    defer { Threads.set(before) }
    let busy = Mutex<(now: Set<Int>, all: Set<Int>, done: Int)>(([], [], 0))
    Threads.parallel(tasks: 200, threads: most) { _, thread in
      busy.withLock { state in
        #expect(state.now.insert(thread).inserted)
        state.all.insert(thread)
      }
      for _ in 0..<100 { _ = Threads.count }
      busy.withLock { state in
        state.now.remove(thread)
        state.done += 1
      }
    }
    busy.withLock { state in
      #expect(state.done == 200)
      #expect(state.all.allSatisfy { (0..<min(count, most)).contains($0) })
    }
  }

  @Test func `takes over what a slow thread has left`() {
    let before = Threads.count
    Threads.set(2)
    defer { Threads.set(before) }
    let owners = Mutex<[Int: Int]>([:])
    Threads.parallel(tasks: 40, threads: 2) { task, thread in
      // The first thread's share is 0 ..< 20; its first task waits until another has been done.
      let deadline = ContinuousClock.now + .seconds(60)
      while task == 0, owners.withLock({ !$0.keys.contains { $0 < 20 } }),
        ContinuousClock.now < deadline
      {
        usleep(1000)
      }
      owners.withLock { $0[task] = thread }
    }
    owners.withLock { owners in
      #expect(owners.count == 40)
      #expect((1..<20).contains { owners[$0] != owners[0] })
    }
  }

  @Test(arguments: [(0, 1), (1, 8), (7, 8), (8, 8), (1000, 1), (1000, 600), (4097, 64)])
  func `splits rows without gaps, in no smaller ranges than the grain`(rows: Int, grain: Int) {
    let ranges = Mutex<[Range<Int>]>([])
    Threads.parallel(rows: rows, grain: grain) { range in ranges.withLock { $0.append(range) } }
    let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
    #expect(sorted.flatMap(Array.init) == Array(0..<rows))
    #expect(sorted.count <= 4 * Threads.count)
    if sorted.count > 1 { #expect(sorted.allSatisfy { $0.count >= grain }) }
  }
}
