import Foundation

/// What the system says about the last failed call, as part of a sentence.
package func systemReason() -> String {
  let reason = unsafe String(cString: strerror(errno))
  return reason.prefix(1).lowercased() + reason.dropFirst()
}

/// Writes all bytes (`write`), however often it is interrupted; the reason (`errno`) if it cannot.
///
/// Unsafe: the buffer stays as it is while this runs. The one loop of its kind.
@unsafe package func writeWhole(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
  var written = 0
  while written < bytes.count {
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
    let count = unsafe write(descriptor, rest.baseAddress, rest.count)
    if count < 0 && errno == EINTR { continue }
    if count <= 0 { return count < 0 ? errno : ENOSPC }
    written += count
  }
  return nil
}

/// Reads up to `count` bytes at `offset` (`pread`), fewer only at the end of the file.
///
/// - Returns: nil, with the reason in `errno`, if the system cannot. The one loop of its kind.
func readWhole(from descriptor: Int32, at offset: Int, count: Int) -> [UInt8]? {
  var failed = false
  let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
    while filled < count {
      let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled...])
      let got = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
      if got < 0 && errno == EINTR { continue }
      failed = got < 0
      if got <= 0 { return }
      filled += got
    }
  }
  return failed ? nil : bytes
}

/// Writes a text (`write`); the reason (`errno`) if that is not possible.
package func writeWhole(_ text: String, to descriptor: Int32) -> Int32? {
  var text = text
  return text.withUTF8 { unsafe writeWhole(UnsafeRawBufferPointer($0), to: descriptor) }
}
