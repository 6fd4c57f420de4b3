import Foundation

/// A regular file, opened for reading; closed when it goes out of scope.
///
/// Devices and pipes are refused, so that no path can make a read wait or never end.
package struct OpenedFile: ~Copyable {
  private let descriptor: CInt
  /// Bytes in the file when it was opened.
  package let size: Int

  /// Why a file could not be opened or read, without its name.
  package struct Failure: Error {
    package let sentence: String
    /// Whether there is nothing under that name.
    package var isMissing = false
    /// Whether it is a directory.
    package var isDirectory = false
  }

  /// Opens with `open(2)` and looks with `fstat(2)`.
  ///
  /// - Throws: `Failure` if there is no such file, it may not be read, or it is not a regular one.
  package init(_ path: String) throws(Failure) {
    if path.utf8.contains(0) {
      throw Failure(sentence: "the name holds a null character")
    }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 {
      let code = errno
      throw Failure(
        sentence: "cannot be opened: \(Self.message(code))",
        isMissing: code == ENOENT || code == ENOTDIR)
    }
    var status = stat()
    if unsafe fstat(descriptor, &status) != 0 {
      let code = errno
      close(descriptor)
      throw Failure(sentence: "cannot be examined: \(Self.message(code))")
    }
    let kind = status.st_mode & S_IFMT
    if kind != S_IFREG {
      close(descriptor)
      throw Failure(
        sentence: kind == S_IFDIR ? "is a directory" : "is not a regular file",
        isDirectory: kind == S_IFDIR)
    }
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Reads up to `count` bytes at `offset` with `pread(2)`; fewer only at the end of the file.
  ///
  /// - Throws: `Failure` if the system cannot read.
  package func read(at offset: Int, count: Int) throws(Failure) -> [UInt8] {
    var code: CInt = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = unsafe pread(
          descriptor, buffer.baseAddress.map { unsafe $0 + filled }, count - filled,
          offset + filled)
        if got < 0 && errno == EINTR { continue }
        if got < 0 { code = errno }
        if got <= 0 { break }
        filled += got
      }
    }
    if code != 0 { throw Failure(sentence: "cannot be read: \(Self.message(code))") }
    return bytes
  }

  /// The whole file, into memory.
  ///
  /// - Throws: `Failure` if it is larger than `most` bytes.
  package func contents(most: Int) throws(Failure) -> [UInt8] {
    if size > most {
      throw Failure(sentence: "is \(size) bytes long, more than the \(most) that are read")
    }
    return try read(at: 0, count: size)
  }

  /// Maps the whole file for reading with `mmap(2)`.
  ///
  /// - Throws: `Failure` if the system refuses.
  package func map() throws(Failure) -> MappedBytes {
    if size == 0 { return unsafe MappedBytes(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let address = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw Failure(sentence: "cannot be mapped: \(Self.message(errno))")
    }
    return unsafe MappedBytes(UnsafeRawBufferPointer(start: address, count: size))
  }

  /// `strerror(3)`.
  package static func message(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}

/// Owns a mapping and unmaps it in `deinit`.
///
/// Known limitation: a file that another process shrinks while it is mapped ends this process with
/// SIGBUS when the lost pages are read.
@safe package struct MappedBytes: ~Copyable {
  private let buffer: UnsafeRawBufferPointer

  fileprivate init(_ buffer: UnsafeRawBufferPointer) { unsafe self.buffer = buffer }

  deinit {
    if let address = unsafe buffer.baseAddress {
      unsafe munmap(UnsafeMutableRawPointer(mutating: address), buffer.count)
    }
  }

  package var count: Int { unsafe buffer.count }

  /// Lends a range of the bytes, which must lie within `0..<count`.
  package borrowing func withUnsafeBytes<R, E: Error>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "outside the mapping")
    return unsafe try body(UnsafeRawBufferPointer(rebasing: buffer[range]))
  }
}
