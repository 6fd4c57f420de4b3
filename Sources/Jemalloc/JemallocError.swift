internal import CJemalloc
internal import Glibc

/// A control of jemalloc that said no.
package struct JemallocError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The `errno` value that `mallctl` returned.
  package let status: Int32
  /// The name of the control, as in jemalloc's manual.
  package let name: String

  package init(status: Int32, name: String) {
    self.status = status
    self.name = name
  }

  package var description: String {
    let reason = unsafe String(cString: strerror(status))
    return "jemalloc refused \"\(name)\" (\(status): \(reason)); "
      + "Ballast needs libjemalloc 5.3 built with statistics"
  }

  /// Turns a status of a `mallctl` function into an error.
  static func check(_ status: Int32, _ name: String) throws(JemallocError) {
    guard status == 0 else { throw JemallocError(status: status, name: name) }
  }
}
