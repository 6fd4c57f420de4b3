import Foundation

/// Standard error, which may be full, closed or a pipe that nobody reads.
package enum StandardError {
  /// Writes what can be written of a text; what cannot is lost, since there is nowhere to say so.
  package static func write(_ text: String) { _ = writeWhole(text, to: STDERR_FILENO) }
}

/// The descriptors 0 to 2, which a caller may have closed.
package enum StandardStreams {
  /// Occupies those that are closed, so that no file of ours becomes standard output.
  ///
  /// They are opened for reading alone: writing to them is the error that it was. Called before
  /// anything else is opened.
  package static func occupyClosed() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free descriptor, which is this one.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }
}
