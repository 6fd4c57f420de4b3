import Foundation

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

  /// Holds both signals back from every thread that starts from now on.
  ///
  /// Called before any other thread exists (`pthread_sigmask`); nothing is lost meanwhile.
  package static func hold() {
    var set = signals()
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for the first signal, on a thread of its own, and calls `body` with its number.
  package static func handleFirst(_ body: @escaping @Sendable (Int32) -> Void) {
    let thread = Thread {
      var set = signals()
      var number: Int32 = 0
      guard unsafe sigwait(&set, &number) == 0 else { return }
      // From here on both signals do what they usually do.
      signal(SIGINT, SIG_DFL)
      signal(SIGTERM, SIG_DFL)
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      body(number)
    }
    thread.start()
  }
}
