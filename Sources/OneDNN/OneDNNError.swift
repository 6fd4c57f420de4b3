internal import COneDNN

/// Why oneDNN, or our checks before it, refused a product.
package struct OneDNNError: Error, Equatable, Sendable, CustomStringConvertible {
  package let message: String

  package var description: String { "oneDNN refused a matrix product: \(message)" }

  /// Turns a status of the C face into the message of this thread's last failure.
  static func check(_ status: Int32, _ shape: MatmulShape) throws(OneDNNError) {
    guard status == 0 else {
      let message = unsafe String(cString: ballast_last_error())
      throw OneDNNError(message: "\(message) (\(shape))")
    }
  }
}
