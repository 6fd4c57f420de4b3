import Files
import Foundation
package import Measurement
import Profiles

/// The process in which points run: the same program, started by a sweep as `ballast worker`.
///
/// ```
///   sweep ──▶ standard input:  WorkerSetup, then a WorkerRequest a point     (a JSON value a line)
///   sweep ◀── standard output: WorkerGreeting, then a WorkerReply a point
/// ```
///
/// It keeps checkpoints and exact gradients from point to point, and dies with the sweep.
package enum Worker {
  /// Serves until the sweep closes standard input.
  ///
  /// - Throws: `SweepError` for anything but a sweep on the other side.
  package static func serve(engine: Engine) throws(SweepError) {
    closeInherited()
    beVictim()
    exitWithParent()
    // Whatever a library prints is no reply.
    let replies = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard replies >= 0, dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else {
      throw SweepError("a worker has no standard output")
    }
    var requests = LineReader(descriptor: STDIN_FILENO)
    guard let line = requests.next() else { return }
    guard let setup = JSONLine.value(WorkerSetup.self, of: line) else {
      throw SweepError("a worker is started by 'ballast sweep', and by nothing else")
    }
    let profile: Profile
    do throws(ProfileError) {
      let source = setup.source
      profile = try Profile(text: source.text, file: source.file, threads: source.threads)
    } catch {
      send(WorkerGreeting(error: error.description), to: replies)
      return
    }
    send(WorkerGreeting(digest: profile.digest), to: replies)
    let executor = DirectExecutor(profile: profile, engine: engine, limits: setup.limits)
    while let line = requests.next() {
      guard let request = JSONLine.value(WorkerRequest.self, of: line),
        profile.points.indices.contains(request.index)
      else { throw SweepError("a worker was asked for a point that is none") }
      let point =
        request.isPrediction ? executor.predict(request.index) : executor.run(request.index)
      send(WorkerReply(index: point.index, rows: point.rows), to: replies)
    }
  }

  /// Lets go of what the sweep itself has inherited, such as a caller's lock or pipe.
  private static func closeInherited() {
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in open.compactMap({ Int32($0) }) where descriptor > STDERR_FILENO {
      close(descriptor)
    }
  }

  /// Ends this process when the sweep's end of standard input closes, even within a point.
  private static func exitWithParent() {
    let thread = Thread {
      var input = pollfd(fd: STDIN_FILENO, events: 0, revents: 0)
      while unsafe poll(&input, 1, -1) <= 0 {}
      _exit(0)
    }
    thread.start()
  }

  /// Makes the kernel end this process rather than any other when memory runs out.
  private static func beVictim() {
    let score = FileHandle(forWritingAtPath: "/proc/self/oom_score_adj")
    try? score?.write(contentsOf: Data("1000".utf8))
  }

  private static func send(_ message: some Encodable, to descriptor: Int32) {
    // If nobody reads, the sweep is gone, and this process with it.
    _ = writeWhole(JSONLine.text(of: message), to: descriptor)
  }
}

/// Reads lines from a descriptor as they come.
struct LineReader {
  let descriptor: Int32
  private var buffer: [UInt8] = []
  /// How much of the buffer holds no line break.
  private var searched = 0

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// The next line, its end included; nil at the end of input, where an unfinished line is dropped.
  mutating func next() -> [UInt8]? {
    while true {
      if let line = buffered() { return line }
      guard fill() else { return nil }
    }
  }

  /// The next line if all of it has been read.
  mutating func buffered() -> [UInt8]? {
    guard let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
      searched = buffer.count
      return nil
    }
    defer {
      buffer.removeFirst(end + 1)
      searched = 0
    }
    return Array(buffer[...end])
  }

  /// Reads once; false at the end of input.
  mutating func fill() -> Bool {
    let count = 1 << 16
    while true {
      var got = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { part, filled in
        got = unsafe read(descriptor, part.baseAddress, count)
        filled = max(got, 0)
      }
      if got < 0 && errno == EINTR { continue }
      buffer += bytes
      return got > 0
    }
  }

  /// Everything that has been read and not yet given out.
  var rest: [UInt8] { buffer }
}
