import Files
import Foundation
import Spelling

/// The stored weights of a model: one safetensors file, or shards with an index.
package final class ModelWeights {
  /// The file, or the directory or index of the shards.
  package let path: String
  /// Names of all tensors, sorted.
  package let names: [String]
  private let files: [SafetensorsFile]
  /// Which file holds a tensor.
  private let places: [String: Int]

  static let singleName = "model.safetensors"
  static let indexName = "model.safetensors.index.json"
  private static let maximumIndexBytes = 32 << 20
  private static let maximumShards = 10_000

  /// Opens a `.safetensors` file, a `model.safetensors.index.json`, or a directory holding either.
  ///
  /// A directory with both is read as the single file, as transformers does.
  ///
  /// - Throws: `WeightsError` naming the file and, where one is at fault, the tensor.
  package static func open(_ path: String) throws(WeightsError) -> ModelWeights {
    if let weights = try open(path, or: \.isDirectory) { return weights }
    for name in [singleName, indexName] {
      if let weights = try open(Paths.join(path, name), or: \.isMissing) { return weights }
    }
    throw WeightsError(
      file: path,
      "holds neither \(singleName) nor \(indexName); save_pretrained with "
        + "safe_serialization=True writes one")
  }

  /// Whether a directory has an entry for weights, which `open` then reads or says why it cannot.
  package static func exist(in directory: String) -> Bool {
    var status = stat()
    return [singleName, indexName].contains {
      unsafe lstat(Paths.join(directory, $0), &status) == 0
    }
  }

  /// Every file that opening a path reads, the path itself included; of a directory that alone.
  package static func files(of path: String) -> [String] {
    guard path.hasSuffix(".json"), let map = try? weightMap(path) else { return [path] }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    return [path] + Set(map.values).sorted().map { folder + $0 }
  }

  /// Opens a file; nil where that fails for the reason that is `expected`.
  private static func open(
    _ path: String, or expected: (OpenedFile.Failure) -> Bool
  ) throws(WeightsError) -> ModelWeights? {
    do throws(OpenedFile.Failure) {
      _ = try OpenedFile(path)
    } catch {
      if expected(error) { return nil }
      throw WeightsError(file: path, error.sentence)
    }
    return path.hasSuffix(".json")
      ? try ModelWeights(index: path) : ModelWeights(try SafetensorsFile(path))
  }

  /// The tensors of one file.
  package init(_ file: SafetensorsFile) {
    path = file.path
    files = [file]
    names = file.names.sorted()
    places = Dictionary(file.names.map { ($0, 0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The tensors of all shards that an index names.
  ///
  /// Tensors that a shard holds and the index leaves out are taken too, as transformers does.
  private init(index path: String) throws(WeightsError) {
    let map = try Self.weightMap(path)
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var files: [SafetensorsFile] = []
    var places: [String: Int] = [:]
    var numbers: [String: Int] = [:]
    for shard in Set(map.values).sorted() {
      let file = try SafetensorsFile(folder + shard)
      numbers[shard] = files.count
      for name in file.names { places[name] = files.count }
      files.append(file)
    }
    for (name, shard) in map.sorted(by: { $0.key < $1.key }) {
      guard let number = numbers[shard], files[number].tensor(named: name) != nil else {
        throw WeightsError(file: folder + shard, tensor: name, "is not there, but \(path) says so")
      }
      places[name] = number
    }
    self.path = path
    self.files = files
    self.places = places
    names = places.keys.sorted()
  }

  /// The shard of each tensor, from an index.
  private static func weightMap(_ path: String) throws(WeightsError) -> [String: String] {
    let bytes = try naming(path) { () throws(OpenedFile.Failure) in
      try OpenedFile(path).contents(most: maximumIndexBytes)
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSONParser.parse(bytes, maximumDepth: 16)
    } catch {
      throw WeightsError(file: path, error.sentence)
    }
    guard case .object(let members) = json, case .object(let entries)? = members["weight_map"]
    else { throw WeightsError(file: path, "has no object \"weight_map\"") }
    var map: [String: String] = [:]
    for (name, value) in entries {
      guard case .string(let shard) = value else {
        throw WeightsError(file: path, tensor: name, "has in weight_map no file but \(value.kind)")
      }
      if !isPlainName(shard) {
        throw WeightsError(
          file: path, tensor: name,
          "is said to lie in \(quoted(shard)); shards must be files beside the index")
      }
      map[name] = shard
    }
    if Set(map.values).count > maximumShards {
      throw WeightsError(file: path, "names more than \(maximumShards) shards")
    }
    if map.isEmpty { throw WeightsError(file: path, "has an empty \"weight_map\"") }
    return map
  }

  /// Whether a name stays within its directory.
  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
      && !name.utf8.contains(0)
  }

  // MARK: Reading

  /// What is stored under a name; nil if nothing is.
  package func tensor(named name: String) -> StoredTensor? {
    places[name].flatMap { files[$0].tensor(named: name) }
  }

  /// The file that holds a tensor.
  package func file(of name: String) throws(WeightsError) -> SafetensorsFile {
    guard let place = places[name] else {
      throw WeightsError(file: path, tensor: name, "is not in the file")
    }
    return files[place]
  }

  /// A whole tensor as float32.
  ///
  /// - Throws: `WeightsError` if there is no such tensor or its type cannot be read.
  package func floats(_ name: String) throws(WeightsError) -> [Float] {
    try file(of: name).floats(name)
  }
}
