internal import COneDNN

/// The library that was loaded.
package enum OneDNNVersion {
  /// Such as `2.6.0`.
  package static var loaded: String {
    var numbers: [Int32] = [0, 0, 0]
    unsafe ballast_onednn_version(&numbers)
    return numbers.map(String.init).joined(separator: ".")
  }
}
