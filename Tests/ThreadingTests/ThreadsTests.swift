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

  /// A team of so many threads while `body` runs.
  private func withTeam(of count: Int, _ body: () throws -> Void) rethrows {
    let before = Threads.count
    Threads.set(count)
    defer { Threads.set(before) }
    try body()
  }

  @Test(arguments: [1, 2, 3, 8])
  func `runs loops inside tasks, and loops inside those, every task once`(count: Int) {
    withTeam(of: count) {
      for _ in 0..<50 {
        let runs = Mutex([Int](repeating: 0, count: 7 * 13 * 3))
        Threads.parallel(tasks: 7) { outer, _ in
          Threads.parallel(tasks: 13) { middle, _ in
            Threads.parallel(tasks: 3) { inner, _ in
              runs.withLock { $0[(outer * 13 + middle) * 3 + inner] += 1 }
            }
          }
        }
        #expect(runs.withLock { $0.allSatisfy { $0 == 1 } })
      }
    }
  }

  /// The first task's loop waits in its first task until another thread has run one of it.
  @Test func `threads without tasks join the loop inside another's`() {
    withTeam(of: 2) {
      #expect(Threads.free == 2)
      let owners = Mutex<[Int: Int]>([:])
      Threads.parallel(tasks: 2, threads: 2) { task, owner in
        #expect((1...2).contains(Threads.free))
        guard task == 0 else { return }
        Threads.parallel(tasks: 40, threads: 2) { index, thread in
          #expect(Threads.free == 1)
          let deadline = ContinuousClock.now + .seconds(60)
          while thread == owner, owners.withLock({ $0.values.allSatisfy { $0 == owner } }),
            ContinuousClock.now < deadline
          {
            usleep(1000)
          }
          owners.withLock { $0[index] = thread }
        }
      }
      owners.withLock { owners in
        #expect(owners.count == 40)
        #expect(Set(owners.values) == [0, 1])
      }
    }
  }

  @Test(arguments: [1, 2, 40])
  func `a task's thread keeps its number in loops inside it`(tasks: Int) {
    withTeam(of: 3) {
      Threads.parallel(tasks: 300, threads: 3) { _, owner in
        let seen = Mutex<Set<Int>>([])
        Threads.parallel(tasks: tasks, threads: 3) { _, thread in
          seen.withLock { _ = $0.insert(thread) }
        }
        if tasks == 1 {
          #expect(seen.withLock { $0 } == [owner])
        }
        #expect(seen.withLock { $0.isSubset(of: [0, 1, 2]) })
      }
    }
  }

  @Test func `a loop inside a task that may use fewer threads runs in order, as the first`() {
    withTeam(of: 3) {
      Threads.parallel(tasks: 30) { _, _ in
        let seen = Mutex<[Int]>([])
        Threads.parallel(tasks: 5, threads: 1) { index, thread in
          #expect(thread == 0)
          seen.withLock { $0.append(index) }
        }
        #expect(seen.withLock { $0 } == [0, 1, 2, 3, 4])
      }
    }
  }

  @Test(arguments: [1, 2, 3, 5], [1, 2, 4])
  func `numbers its threads, no more than it may use, each at one task at a time`(
    count: Int, most: Int
  ) {
    let busy = Mutex<(now: Set<Int>, all: Set<Int>, done: Int)>(([], [], 0))
    func runAlone(_ thread: Int) {
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
    withTeam(of: count) {
      Threads.parallel(tasks: 200, threads: most) { task, thread in
        guard task.isMultiple(of: 2) else { return runAlone(thread) }
        Threads.parallel(tasks: 9, threads: most) { _, thread in runAlone(thread) }
      }
    }
    busy.withLock { state in
      #expect(state.done == 100 + 9 * 100)
      #expect(state.all.allSatisfy { (0..<min(count, most)).contains($0) })
    }
  }

  @Test func `takes over what a slow thread has left`() {
    let owners = Mutex<[Int: Int]>([:])
    withTeam(of: 2) {
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
