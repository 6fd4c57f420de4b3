import Files
import Foundation
import Synchronization

/// What is started as a worker.
package struct WorkerCommand: Sendable {
  package let executable: String
  package let arguments: [String]

  package init(executable: String, arguments: [String]) {
    (self.executable, self.arguments) = (executable, arguments)
  }

  /// This very program, even if its file has been replaced meanwhile.
  package static let ballast = WorkerCommand(
    executable: "/proc/self/exe", arguments: ["ballast", "worker"])
}

/// A worker as the sweep sees it: a process behind three pipes, which is ended with this value.
final class WorkerProcess {
  private let process: pid_t
  private let requests: Int32
  private var replies: LineReader
  private let errors: Int32
  /// The last of what the worker wrote to standard error.
  private var complaint: [UInt8] = []
  private var hasEnded = false

  /// Bytes of standard error that are kept.
  private static let mostComplaint = 4096
  /// Milliseconds between two looks at the worker's memory.
  private static let interval: Int32 = 25
  private static let starting = Mutex(())

  /// Starts a worker (`posix_spawn`).
  ///
  /// It gets a process group of its own, so that Ctrl-C on a terminal reaches the sweep alone, and
  /// never takes SIGINT or SIGTERM.
  ///
  /// - Throws: `SweepError` if the system starts no process.
  init(_ command: WorkerCommand) throws(SweepError) {
    // A worker that is gone is an error of `write`, not a signal.
    signal(SIGPIPE, SIG_IGN)
    // Between `pipe` and `fcntl` no other worker may start: it would hold an end of these pipes.
    let (process, pipes) = try Self.starting.withLock { _ throws(SweepError) in
      let pipes = try Pipes()
      defer { pipes.closeTheirs() }
      do throws(SweepError) {
        return (try Self.spawn(command, pipes), pipes)
      } catch {
        pipes.closeOurs()
        throw error
      }
    }
    self.process = process
    requests = pipes.input.write
    replies = LineReader(descriptor: pipes.output.read)
    errors = pipes.errors.read
    _ = fcntl(errors, F_SETFL, O_NONBLOCK)
  }

  private static func spawn(
    _ command: WorkerCommand, _ pipes: Pipes
  ) throws(SweepError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, pipes.input.read, STDIN_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, pipes.output.write, STDOUT_FILENO)
    unsafe posix_spawn_file_actions_adddup2(&actions, pipes.errors.write, STDERR_FILENO)
    // What a signal to all processes of a job means is the sweep's to decide.
    var held = Interrupts.signals()
    unsafe posix_spawnattr_setsigmask(&attributes, &held)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    // A crash ends at once, without a walk through the stack.
    var environment = ProcessInfo.processInfo.environment
    environment["SWIFT_BACKTRACE"] = "enable=no"
    let arguments = CStrings(command.arguments)
    let variables = CStrings(environment.map { "\($0.key)=\($0.value)" })
    var process: pid_t = 0
    let status = unsafe posix_spawn(
      &process, command.executable, &actions, &attributes, arguments.pointers, variables.pointers)
    guard status == 0 else {
      errno = status
      throw SweepError("cannot start a worker process: \(systemReason())")
    }
    return process
  }

  deinit { _ = end() }

  // MARK: Messages

  /// Sends a message; false if the worker is gone.
  func send(_ message: some Encodable) -> Bool {
    writeWhole(JSONLine.text(of: message), to: requests) == nil
  }

  /// How waiting for a worker's reply ended.
  enum Answer {
    /// One whole line.
    case line([UInt8])
    /// The process is gone, or about to be.
    case gone
    /// The guard wanted it ended.
    case breach(MemoryBreach)
  }

  /// Waits for a line; `memory` is asked now and then whether the worker may go on.
  func receive(_ memory: MemoryGuard) -> Answer {
    var lastLook = ContinuousClock.now
    while true {
      if let line = replies.buffered() { return .line(line) }
      var waiting = [
        pollfd(fd: replies.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
      ]
      _ = unsafe poll(&waiting, nfds_t(waiting.count), Self.interval)
      if waiting[1].revents != 0 { readComplaint() }
      if waiting[0].revents != 0, !replies.fill() { return .gone }
      guard ContinuousClock.now - lastLook >= .milliseconds(Int(Self.interval)) else { continue }
      if let breach = memory.breach(of: process) { return .breach(breach) }
      lastLook = ContinuousClock.now
    }
  }

  /// Takes what stands in the pipe of standard error; false at its end.
  @discardableResult private func readComplaint() -> Bool {
    var part = LineReader(descriptor: errors)
    let isOpen = part.fill()
    complaint = (complaint + part.rest).suffix(Self.mostComplaint)
    return isOpen
  }

  // MARK: The end

  /// Waits for the end of a process that is ending, and makes it end if it is not.
  func end(isEnding: Bool = false) -> WorkerEnd? {
    guard !hasEnded else { return nil }
    hasEnded = true
    var status: Int32 = 0
    var isGone = false
    // One whose pipes have closed is gone within moments.
    for _ in 0..<(isEnding ? 1000 : 0) where !isGone {
      isGone = unsafe waitpid(process, &status, WNOHANG) == process
      if !isGone { usleep(2000) }
    }
    if !isGone {
      kill(process, SIGKILL)
      while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }
    while readComplaint() {}
    close(requests)
    close(replies.descriptor)
    close(errors)
    return WorkerEnd(status: status, complaint: String(decoding: complaint, as: UTF8.self))
  }
}

/// The pipes to the three standard streams of a worker.
private struct Pipes {
  typealias Pipe = (read: Int32, write: Int32)

  let input: Pipe
  let output: Pipe
  let errors: Pipe

  init() throws(SweepError) {
    func make() throws(SweepError) -> Pipe {
      var ends: [Int32] = [0, 0]
      guard unsafe pipe(&ends) == 0 else {
        throw SweepError("cannot make a pipe to a worker: \(systemReason())")
      }
      // Another worker that held an end would keep this one alive after the sweep.
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      return (ends[0], ends[1])
    }
    input = try make()
    output = try make()
    errors = try make()
  }

  func closeTheirs() {
    for end in [input.read, output.write, errors.write] { close(end) }
  }

  func closeOurs() {
    for end in [input.write, output.read, errors.read] { close(end) }
  }
}

/// Texts as a C array of C strings that ends with null; freed with this value.
@safe private final class CStrings {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ texts: [String]) {
    count = texts.count
    unsafe pointers = .allocate(capacity: count + 1)
    for (index, text) in texts.enumerated() { unsafe pointers[index] = strdup(text) }
    unsafe pointers[count] = nil
  }

  deinit {
    for index in 0..<count { unsafe free(pointers[index]) }
    unsafe pointers.deallocate()
  }
}
