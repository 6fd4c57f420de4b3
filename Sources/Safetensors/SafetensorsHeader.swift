import Files
import Spelling

/// The header of a safetensors file, checked against the file's length.
///
/// ```
///   8 bytes          n bytes                       the rest
///   ┌───────────────┬─────────────────────────────┬──────────────────────────────┐
///   │ n, uint64 LE  │ {"name": {dtype, shape,     │ tensors, back to back;       │
///   │               │  data_offsets}, …} spaces   │ offsets count from here      │
///   └───────────────┴─────────────────────────────┴──────────────────────────────┘
/// ```
///
/// The tensors must cover the rest without gaps or overlaps, as the reference implementation
/// demands (github.com/huggingface/safetensors).
package struct SafetensorsHeader: Equatable, Sendable {
  /// Tensors in the order of their bytes.
  package let tensors: [StoredTensor]
  /// `__metadata__`.
  package let metadata: [String: String]

  /// The longest header that is read, as in the reference implementation.
  package static let maximumBytes = 100_000_000
  /// JSON values in a header; a tensor has eight or so.
  private static let maximumValues = 4_000_000
  /// Bytes before the header.
  static let prefixBytes = 8

  /// The header's length from a file's first eight bytes.
  ///
  /// - Throws: `WeightsError` if the file is shorter than that, or the length is too much.
  package static func length(
    prefix: [UInt8], fileSize: Int, file: String
  ) throws(WeightsError) -> Int {
    if prefix.count < prefixBytes {
      throw WeightsError(
        file: file, "is \(fileSize) bytes long, too short for a safetensors file")
    }
    if GitLFS.isPointer(prefix) { throw WeightsError(file: file, GitLFS.sentence) }
    let length = prefix[0..<prefixBytes].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    if length > UInt64(maximumBytes) {
      throw WeightsError(
        file: file,
        "names a header of \(length) bytes, more than \(maximumBytes); is it a safetensors file?")
    }
    if Int(length) > fileSize - prefixBytes {
      throw WeightsError(
        file: file,
        "ends within its header of \(length) bytes: it is \(fileSize) bytes long; fetch it again")
    }
    return Int(length)
  }

  /// Parses and checks a header.
  ///
  /// - Parameters:
  ///   - bytes: The header without its length.
  ///   - fileSize: Bytes of the whole file.
  ///   - file: Named in errors.
  /// - Throws: `WeightsError` with the first thing that is wrong.
  package init(_ bytes: [UInt8], fileSize: Int, file: String) throws(WeightsError) {
    if bytes.first != UInt8(ascii: "{") {
      throw WeightsError(file: file, "has a header that does not begin with a brace")
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSONParser.parse(bytes, maximumDepth: 8, maximumValues: Self.maximumValues)
    } catch {
      throw WeightsError(
        file: file, "has a header that cannot be read: it \(error.reason) (byte \(error.offset))")
    }
    guard case .object(let members) = json else {
      throw WeightsError(file: file, "has a header that is not a JSON object")
    }
    let start = Self.prefixBytes + bytes.count
    var tensors: [StoredTensor] = []
    var metadata: [String: String] = [:]
    for (name, value) in members {
      if name == "__metadata__" {
        metadata = try Self.metadata(value, file: file)
      } else {
        tensors.append(try Self.tensor(name, value, start: start, fileSize: fileSize, file: file))
      }
    }
    tensors.sort {
      ($0.range.lowerBound, $0.range.upperBound, $0.name) < (
        $1.range.lowerBound, $1.range.upperBound, $1.name
      )
    }
    try Self.checkCover(tensors, start: start, fileSize: fileSize, file: file)
    self.tensors = tensors
    self.metadata = metadata
  }

  private static func metadata(
    _ value: JSON, file: String
  ) throws(WeightsError) -> [String: String] {
    guard case .object(let members) = value else {
      throw WeightsError(file: file, "has a __metadata__ that is not an object")
    }
    var metadata: [String: String] = [:]
    for (key, value) in members {
      guard case .string(let text) = value else {
        throw WeightsError(
          file: file, "has in __metadata__ a value of \(quoted(key)) that is no string")
      }
      metadata[key] = text
    }
    return metadata
  }

  private static func tensor(
    _ name: String, _ value: JSON, start: Int, fileSize: Int, file: String
  ) throws(WeightsError) -> StoredTensor {
    func fault(_ sentence: String) -> WeightsError {
      WeightsError(file: file, tensor: name, sentence)
    }
    guard case .object(let members) = value else {
      throw fault("is described by \(value.kind) rather than an object")
    }
    for key in members.keys.sorted() where !["dtype", "shape", "data_offsets"].contains(key) {
      throw fault("has the unknown property \(quoted(key))")
    }
    guard case .string(let dtypeName)? = members["dtype"] else { throw fault("has no dtype") }
    let dtype = StoredType(name: dtypeName)
    guard let shape = integers(members["shape"]) else {
      throw fault("has a shape that is not a list of sizes")
    }
    guard let offsets = integers(members["data_offsets"]), offsets.count == 2 else {
      throw fault("has data_offsets that are not two numbers of bytes")
    }
    let (begin, end) = (offsets[0], offsets[1])
    if begin > end { throw fault("ends before it begins: data_offsets \(begin), \(end)") }
    if end > fileSize - start {
      throw fault(
        "lies outside the file: data_offsets end at \(end) of \(fileSize - start) bytes; "
          + "the file may be cut short, fetch it again")
    }
    // A zero anywhere makes the product zero, whatever the other extents are.
    var count = 1
    if shape.contains(0) {
      count = 0
    } else {
      for extent in shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: extent)
        if overflow { throw fault("has a shape of more elements than 64 bits count") }
        count = product
      }
    }
    if let bits = dtype.bits {
      let (total, overflow) = count.multipliedReportingOverflow(by: bits)
      if overflow || total % 8 != 0 || total / 8 != end - begin {
        throw fault(
          "has \(end - begin) bytes, which is not what shape \(list(shape)) in "
            + "\(quoted(dtypeName)) takes")
      }
    }
    return StoredTensor(
      name: name, dtype: dtype, shape: shape, count: count, range: start + begin..<start + end)
  }

  /// The elements of an array of integers of at least 0; nil if it is anything else.
  private static func integers(_ value: JSON?) -> [Int]? {
    guard case .array(let elements)? = value else { return nil }
    var result: [Int] = []
    for element in elements {
      guard case .integer(let integer) = element, integer >= 0 else { return nil }
      result.append(integer)
    }
    return result
  }

  private static func checkCover(
    _ tensors: [StoredTensor], start: Int, fileSize: Int, file: String
  ) throws(WeightsError) {
    var end = start
    for tensor in tensors {
      if tensor.range.lowerBound != end {
        let what = tensor.range.lowerBound < end ? "overlaps" : "leaves a gap after"
        throw WeightsError(
          file: file, tensor: tensor.name,
          "\(what) the tensor before it: it begins at \(tensor.range.lowerBound - start), "
            + "not at \(end - start)")
      }
      end = tensor.range.upperBound
    }
    if end != fileSize {
      throw WeightsError(
        file: file, "has \(fileSize - end) bytes after its last tensor that belong to none")
    }
  }
}

/// Extents as `[2, 3]`, cut after eight.
package func list(_ shape: [Int]) -> String {
  "[" + shape.prefix(8).map(String.init).joined(separator: ", ") + (shape.count > 8 ? ", …]" : "]")
}
