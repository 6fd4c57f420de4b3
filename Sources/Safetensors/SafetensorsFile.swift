import Files
import Spelling

/// A safetensors file, checked and kept open.
///
/// Opening reads the header alone; a tensor's bytes are read when it is, piece by piece.
package final class SafetensorsFile {
  package let path: String
  /// `__metadata__`.
  package let metadata: [String: String]
  /// Names in the order of the tensors' bytes.
  package let names: [String]
  private let tensors: [String: StoredTensor]
  private let file: OpenedFile

  /// What is read at once; a multiple of every type's bytes.
  private static let pieceBytes = 1 << 20

  /// Opens and checks a file.
  ///
  /// - Throws: `WeightsError` naming the file and, where one is at fault, the tensor.
  package init(_ path: String) throws(WeightsError) {
    let file = try naming(path) { () throws(OpenedFile.Failure) in try OpenedFile(path) }
    func read(
      _ file: borrowing OpenedFile, at offset: Int, count: Int
    ) throws(WeightsError) -> [UInt8] {
      do throws(OpenedFile.Failure) {
        return try file.read(at: offset, count: count)
      } catch {
        throw WeightsError(file: path, error.sentence)
      }
    }
    let prefix = try read(file, at: 0, count: SafetensorsHeader.prefixBytes)
    let length = try SafetensorsHeader.length(prefix: prefix, fileSize: file.size, file: path)
    let text = try read(file, at: SafetensorsHeader.prefixBytes, count: length)
    if text.count != length { throw WeightsError(file: path, "was cut short while it was read") }
    let header = try SafetensorsHeader(text, fileSize: file.size, file: path)
    self.file = file
    self.path = path
    metadata = header.metadata
    names = header.tensors.map(\.name)
    tensors = Dictionary(
      header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What the header says of a tensor; nil if there is none of that name.
  package func tensor(named name: String) -> StoredTensor? { tensors[name] }

  private func readable(_ name: String) throws(WeightsError) -> StoredTensor {
    guard let tensor = tensors[name] else {
      throw WeightsError(file: path, tensor: name, "is not in the file")
    }
    if !tensor.dtype.isReadable {
      throw WeightsError(
        file: path, tensor: name,
        "is stored as \(quoted(tensor.dtype.name)); Ballast reads F32, F16 and BF16")
    }
    return tensor
  }

  /// Converts some elements of a tensor to float32, exactly.
  ///
  /// - Parameters:
  ///   - elements: Which ones, row-major, within `0..<count`.
  ///   - name: The tensor.
  ///   - destination: Receives them; has room for them all.
  /// - Throws: `WeightsError` if there is no such tensor or its type cannot be read.
  package func read(
    _ elements: Range<Int>, of name: String, into destination: UnsafeMutableBufferPointer<Float>
  ) throws(WeightsError) {
    let tensor = try readable(name)
    precondition(elements.lowerBound >= 0 && elements.upperBound <= tensor.count)
    precondition(destination.count >= elements.count)
    let size = tensor.dtype == .float32 ? 4 : 2
    let start = tensor.range.lowerBound
    let range = start + elements.lowerBound * size..<start + elements.upperBound * size
    var done = 0
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceBytes) {
      let piece = try piece(of: tensor, at: offset, before: range.upperBound)
      let count = piece.count / size
      unsafe piece.withUnsafeBytes { source in
        switch tensor.dtype {
        case .float32:
          for i in 0..<count {
            let bits = unsafe source.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
            unsafe destination[done + i] = Float(bitPattern: UInt32(littleEndian: bits))
          }
        case .bfloat16:
          for i in 0..<count {
            let bits = unsafe source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
            unsafe destination[done + i] = float32(bfloat16: UInt16(littleEndian: bits))
          }
        case .float16:
          for i in 0..<count {
            let bits = unsafe source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
            unsafe destination[done + i] = float32(float16: UInt16(littleEndian: bits))
          }
        case .other: break  // refused by `readable`
        }
      }
      done += count
    }
  }

  /// The bytes from `offset` on, before `end`, and no more than a piece.
  private func piece(
    of tensor: StoredTensor, at offset: Int, before end: Int
  ) throws(WeightsError) -> [UInt8] {
    let count = min(Self.pieceBytes, end - offset)
    let bytes: [UInt8]
    do throws(OpenedFile.Failure) {
      bytes = try file.read(at: offset, count: count)
    } catch {
      throw WeightsError(file: path, tensor: tensor.name, error.sentence)
    }
    guard bytes.count == count else {
      throw WeightsError(
        file: path, tensor: tensor.name,
        "ends within its bytes: the file was cut short while it was read; fetch it again")
    }
    return bytes
  }

  /// Whether two tensors have the same type and the same bytes.
  ///
  /// - Throws: `WeightsError` if there is no such tensor or its type cannot be read.
  package func hasSameBytes(
    _ name: String, as otherName: String, in other: SafetensorsFile
  ) throws(WeightsError) -> Bool {
    let tensor = try readable(name)
    let twin = try other.readable(otherName)
    guard tensor.dtype == twin.dtype, tensor.range.count == twin.range.count else { return false }
    for offset in stride(from: 0, to: tensor.range.count, by: Self.pieceBytes) {
      let piece = try piece(
        of: tensor, at: tensor.range.lowerBound + offset, before: tensor.range.upperBound)
      let other = try other.piece(
        of: twin, at: twin.range.lowerBound + offset, before: twin.range.upperBound)
      if piece != other { return false }
    }
    return true
  }

  /// A whole tensor as float32.
  ///
  /// - Throws: `WeightsError` if there is no such tensor or its type cannot be read.
  package func floats(_ name: String) throws(WeightsError) -> [Float] {
    let count = try readable(name).count
    var failure: WeightsError?
    let values = unsafe [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(WeightsError) {
        unsafe try read(0..<count, of: name, into: buffer)
        filled = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }
}

/// The float32 that a bfloat16 stands for: its upper half.
@inline(__always)
package func float32(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// The float32 that an IEEE 754 binary16 stands for; every one has one, NaN payloads included.
@inline(__always)
package func float32(float16 bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1f
  let fraction = UInt32(bits & 0x3ff)
  switch exponent {
  case 0:  // zero, or subnormal: fraction · 2⁻²⁴
    return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
  case 0x1f: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
