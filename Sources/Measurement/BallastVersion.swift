import CPUBackend

/// The version that results carry and `--version` prints.
package enum BallastVersion {
  package static let current = "0.1.0"

  /// The version, and in a second line those of what is inside.
  package static var text: String {
    #if compiler(>=6.4)
      let compiler = "Swift 6.4 or newer"
    #elseif compiler(>=6.3)
      let compiler = "Swift 6.3"
    #else
      let compiler = "Swift 6.2"
    #endif
    return current + "\n" + ([compiler] + CPUBackend.inside).joined(separator: ", ")
  }
}
