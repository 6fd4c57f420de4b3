/// The library that was loaded.
package enum JemallocVersion {
  /// Such as `5.3.0`; empty where the library does not say.
  package static var loaded: String {
    guard let address = try? Control<UInt>("version").read(),
      let text = unsafe UnsafePointer<CChar>(bitPattern: address)
    else { return "" }
    // Behind the number stands the commit: 5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c.
    return unsafe String(cString: text).split(separator: "-").first.map(String.init) ?? ""
  }
}
