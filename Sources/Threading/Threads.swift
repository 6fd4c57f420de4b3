internal import CThreading

/// The team of threads that oneDNN and our own kernels share (libgomp's).
package enum Threads {
  /// How many threads products and loops use (`omp_get_max_threads` until it is set).
  package static var count: Int { Int(ballast_max_threads()) }

  /// How many threads a loop that begins now would find: in a task, its thread and those that have
  /// no task left.
  package static var free: Int { Int(ballast_free_threads()) }

  /// Sets the count for what the calling thread starts (`omp_set_num_threads`).
  package static func set(_ count: Int) {
    precondition((1...4096).contains(count), "a team has 1 to 4096 threads")
    ballast_set_threads(Int32(count))
  }

  /// Makes threads that wait give way to other programs, by starting this one again (`execv`),
  /// unless the environment says how they wait; to be called first in `main`.
  package static func waitBriefly() { unsafe ballast_wait_briefly(CommandLine.unsafeArgv) }

  /// Runs `body(0, …)` to `body(tasks - 1, …)` on the team and waits for all (`GOMP_parallel`).
  ///
  /// Threads begin with runs of neighbouring tasks, and take over what slower ones have left. Tasks
  /// run at the same time: `body` may write only to what belongs to its task, or to its thread,
  /// whose number is below `threads`. A loop inside a task is run by that task's thread, and by
  /// threads that have no task left, under their numbers; one deeper inside runs in order, and one
  /// with fewer `threads` than the outer one, as thread 0.
  package static func parallel(
    tasks: Int, threads: Int = count, _ body: (_ task: Int, _ thread: Int) -> Void
  ) {
    precondition(tasks >= 0 && tasks <= Int(Int32.max), "a loop has no such number of tasks")
    guard tasks > 0 else { return }
    withoutActuallyEscaping(body) { body in
      // The call waits, so that the closure and the pointer to it outlive every task.
      unsafe withUnsafePointer(to: body) { pointer in
        unsafe ballast_parallel(
          { context, task, thread in
            unsafe context?.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(
              Int(task), Int(thread))
          }, UnsafeMutableRawPointer(mutating: pointer), Int32(tasks), Int32(threads))
      }
    }
  }

  /// Splits `0..<rows` into contiguous ranges, a few a thread, and runs them at the same time.
  ///
  /// There are never more ranges than `rows / grain`, or one.
  package static func parallel(rows: Int, grain: Int, body: (Range<Int>) -> Void) {
    precondition(rows >= 0 && grain > 0, "a loop has rows and a grain")
    guard rows > 0 else { return }
    let tasks = count == 1 ? 1 : max(1, min(4 * count, rows / grain))
    parallel(tasks: tasks) { task, _ in
      body((rows * task / tasks)..<(rows * (task + 1) / tasks))
    }
  }
}
