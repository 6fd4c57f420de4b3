import Files
import Foundation

/// What the process needs of the system before anything else happens.
enum ProcessStart {
  /// Threads take the stack's limit for their own size, and the libraries' kernels use some.
  private static let leastStack: rlim_t = 256 << 10

  /// Settles the standard streams and signals.
  ///
  /// - Returns: A sentence if the process cannot run; nil if it can.
  static func prepare() -> String? {
    StandardStreams.occupyClosed()
    // Writing to a pipe that nobody reads is an error, not the end.
    signal(SIGPIPE, SIG_IGN)
    // So is a file that grows beyond what `ulimit -f` allows.
    signal(SIGXFSZ, SIG_IGN)
    // Swift's runtime would report a crash and go on; threads of Dispatch start programs without
    // it.
    signal(SIGQUIT, SIG_DFL)
    var quit = sigset_t()
    unsafe sigemptyset(&quit)
    unsafe sigaddset(&quit, SIGQUIT)
    unsafe pthread_sigmask(SIG_UNBLOCK, &quit, nil)
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) == 0,
      limit.rlim_cur < leastStack
    else { return nil }
    return "the stack is limited to \(limit.rlim_cur >> 10) KiB, and ballast needs "
      + "\(leastStack >> 10) KiB; raise it with 'ulimit -s 8192'"
  }
}
