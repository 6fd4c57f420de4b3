internal import CZlib

/// Unpacks files of gzip's (RFC 1952) with zlib.
package enum Gzip {
  /// Whether a file is one.
  package static func isOne(_ bytes: some Sequence<UInt8>) -> Bool {
    bytes.starts(with: [0x1f, 0x8b])
  }

  /// What is packed in a file, all of its members one after the other.
  ///
  /// - Throws: `RecordingFault` for a file that is broken or cut off, and for one that unpacks to
  ///   more than `most` bytes.
  package static func unpacked(
    _ packed: [UInt8], most: Int
  ) throws(RecordingFault) -> [UInt8] {
    var stream = unsafe z_stream()
    guard unsafe ballast_inflate_init(&stream) == Z_OK else {
      throw RecordingFault("cannot be unpacked: zlib has no memory")
    }
    defer { unsafe inflateEnd(&stream) }
    var unpacked: [UInt8] = []
    var taken = 0
    var status = Z_OK
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while status != Z_STREAM_END || taken < packed.count {
      if status == Z_STREAM_END {
        guard isOne(packed[taken...]), unsafe inflateReset(&stream) == Z_OK else {
          throw RecordingFault("goes on after what gzip packed, or was cut off there")
        }
      }
      let made: Int
      (status, made) = unsafe inflate(&stream, from: packed, at: &taken, into: &piece)
      guard status == Z_OK || status == Z_STREAM_END else {
        throw RecordingFault(
          status == Z_BUF_ERROR
            ? "ends within what gzip packed; it was cut off" : "is broken: gzip cannot unpack it")
      }
      guard unpacked.count + made <= most else {
        throw RecordingFault("unpacks to more than \(most >> 20) MiB")
      }
      unpacked += piece[..<made]
    }
    return unpacked
  }

  /// One call of `inflate`: what it said, and how many bytes it made.
  private static func inflate(
    _ stream: inout z_stream, from packed: [UInt8], at taken: inout Int, into piece: inout [UInt8]
  ) -> (status: CInt, made: Int) {
    let rest = min(packed.count - taken, Int(UInt32.max))
    let room = piece.count
    // Both buffers outlive the call, and zlib stays within the lengths that it is given.
    let status = unsafe packed.withUnsafeBufferPointer { source in
      unsafe piece.withUnsafeMutableBufferPointer { target in
        unsafe stream.next_in = UnsafeMutablePointer(
          mutating: source.baseAddress.map { unsafe $0 + taken })
        unsafe stream.avail_in = UInt32(rest)
        unsafe stream.next_out = target.baseAddress
        unsafe stream.avail_out = UInt32(room)
        return unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
      }
    }
    taken += rest - Int(unsafe stream.avail_in)
    return (status, room - Int(unsafe stream.avail_out))
  }
}
