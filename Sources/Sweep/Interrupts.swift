import Files
import Foundation
import Synchronization

/// Turns the first SIGINT or SIGTERM into a call on a thread of its own; a second one kills.
package enum Interrupts {
  /// The two signals.
  static func signals() -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGTERM)
    return set
  }

  private static let body = Mutex<(@Sendable (Int32) -> Void)?>(nil)

  /// Takes both signals from now on: until there is a body to call, the first ends the process.
  ///
  /// Called before any other thread exists, since those that start later take neither signal
  /// (`pthread_sigmask`).
  package static func take() {
    var set = signals()
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    Thread {
      var set = signals()
      var number: Int32 = 0
      guard unsafe sigwait(&set, &number) == 0 else { return }
      // From here on both signals do what they usually do.
      signal(SIGINT, SIG_DFL)
      signal(SIGTERM, SIG_DFL)
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      if let body = body.withLock({ $0 }) { return body(number) }
      StandardError.write("ballast: stopped before any point was run\n")
      _exit(128 + number)
    }.start()
  }

  /// Gives what the first signal calls with its number, on a thread of its own.
  package static func handle(_ body: @escaping @Sendable (Int32) -> Void) {
    self.body.withLock { $0 = body }
  }
}
