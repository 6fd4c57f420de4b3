import Files
import Foundation
import Safetensors
import TestSupport
import Testing

@Suite struct `A safetensors file` {
  private let directory: Folder

  init() throws { directory = try Folder() }

  private func sentence(_ bytes: [UInt8]) throws -> String {
    let path = try directory.add("x.safetensors", bytes)
    do throws(WeightsError) {
      _ = try SafetensorsFile(path)
      return ""
    } catch {
      #expect(error.file == path)
      return error.description
    }
  }

  @Test func `gives back what was written`() throws {
    let path = directory.path + "/w.safetensors"
    let tensors: [String: (shape: [Int], values: [Float])] = [
      "b.weight": ([2, 3], [1, -2, .infinity, 0.1, -0.0, .leastNonzeroMagnitude]),
      "a\"\\\n": ([1], [7]), "scalar": ([], [3.5]), "none": ([4, 0], []),
    ]
    try SafetensorsWriter.write(to: path, tensors)
    let file = try SafetensorsFile(path)
    #expect(file.names.sorted() == tensors.keys.sorted())
    #expect(file.metadata == ["format": "pt"])
    for (name, tensor) in tensors {
      #expect(file.tensor(named: name)?.shape == tensor.shape)
      #expect(try file.floats(name).map(\.bitPattern) == tensor.values.map(\.bitPattern))
    }
    let raw = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect((8 + Int(raw[0])) % 8 == 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["w.safetensors"])
  }

  /// So that a process that is killed leaves nothing; the folder's file system must have `O_TMPFILE`.
  @Test func `has no name before it is whole`() throws {
    func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: directory.path)
    }
    let path = directory.path + "/w.safetensors"
    for value: Float in [1, 2] {
      let before = try names()
      try SafetensorsWriter.write(to: path, tensors: [(name: "x", shape: [1])]) { _, sink in
        #expect(try names() == before)
        try sink([value].span)
      }
      #expect(try names() == ["w.safetensors"])
      #expect(try SafetensorsFile(path).floats("x") == [value])
    }
  }

  @Test func `is told from a pointer of Git LFS`() throws {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    #expect(try sentence(Array(pointer.utf8)).hasSuffix("fetch that with git lfs pull"))
    let index = try directory.add("model.safetensors.index.json", Array(pointer.utf8))
    let error = #expect(throws: WeightsError.self) { try ModelWeights.open(index) }
    #expect(error?.description.contains("is a Git LFS pointer") == true)
  }

  @Test func `leaves nothing behind when writing fails`() throws {
    let path = directory.path + "/w.safetensors"
    #expect(throws: WeightsError(file: path, tensor: "x", "got 1 of 2 elements")) {
      try SafetensorsWriter.write(to: path, ["x": ([2], [1])])
    }
    #expect(throws: WeightsError(file: path, tensor: "x", "got more than 2 elements")) {
      try SafetensorsWriter.write(to: path, ["x": ([2], [1, 2, 3])])
    }
    #expect(throws: WeightsError.self) {
      try SafetensorsWriter.write(to: path, ["x": ([.max, 2], [1, 2, 3])])
    }
    #expect(throws: FileError.self) {
      try SafetensorsWriter.write(to: directory.path, ["x": ([1], [1])])
    }
    #expect(throws: FileError.self) {
      try SafetensorsWriter.write(to: "/dev/full", ["x": ([1], [1])])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
  }

  @Test func `converts every float16 and bfloat16 exactly`() throws {
    let all = (0...UInt16.max).flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    let header =
      #"{"h":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]},"#
      + #""b":{"dtype":"BF16","shape":[65536],"data_offsets":[131072,262144]}}"#
    let file = try SafetensorsFile(
      directory.add("x.safetensors", safetensors(header, data: all + all)))
    let halves = try file.floats("h")
    let brains = try file.floats("b")
    for bits in 0...UInt16.max {
      let half = Float16(bitPattern: bits)
      let ours = halves[Int(bits)]
      #expect(half.isNaN ? ours.isNaN : ours.bitPattern == Float(half).bitPattern)
      #expect(brains[Int(bits)].bitPattern == UInt32(bits) << 16)
    }
    let part = unsafe [Float](unsafeUninitializedCapacity: 3) { buffer, count in
      unsafe try? file.read(0x3c00..<0x3c03, of: "h", into: buffer)
      count = 3
    }
    let following: [Float] = [1, 1.0009765625, 1.001953125]
    #expect(part == following)
  }

  @Test func `reads tensors that are not aligned`() throws {
    let header = #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    for spaces in 0..<4 {
      let text = header + String(repeating: " ", count: spaces)
      let bytes = safetensors(text, data: [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
      let file = try SafetensorsFile(directory.add("x.safetensors", bytes))
      #expect(try file.floats("w") == [1, -2])
    }
  }

  @Test func `lists types that it cannot read and refuses to read them`() throws {
    let header =
      #"{"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"#
      + #""n":{"dtype":"F2_NEW","shape":[3],"data_offsets":[8,9]}}"#
    let path = try directory.add(
      "x.safetensors", safetensors(header, data: [UInt8](repeating: 0, count: 9)))
    let file = try SafetensorsFile(path)
    #expect(file.names == ["i", "n"])
    let sentence = "is stored as \"I64\"; Ballast reads F32, F16 and BF16"
    #expect(throws: WeightsError(file: path, tensor: "i", sentence)) { try file.floats("i") }
    #expect(throws: WeightsError.self) { try file.floats("n") }
    #expect(throws: WeightsError(file: path, tensor: "z", "is not in the file")) {
      try file.floats("z")
    }
  }

  private static let good = #""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

  @Test(arguments: [
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, "lacks a comma or a brace"),
    (#"[]"#, "does not begin with a brace"), ("", "does not begin with a brace"),
    (#" {}"#, "does not begin with a brace"), (#"{"w":1}"#, "rather than an object"),
    (#"{}"#, "8 bytes after its last tensor"), ("{\(good),\(good)}", "has the key \"w\" twice"),
    (#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "not what shape [3]"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "4 bytes after its last tensor"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "leaves a gap"),
    (#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#, "lies outside the file"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "ends before it begins"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}"#, "lies outside"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}}"#, "data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, "data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}"#, "data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}}"#, "data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "has a shape"),
    (#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, "64 bits"),
    (
      #"{"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}"#, "not what shape"
    ),
    (#"{"w":{"dtype":"F4","shape":[15],"data_offsets":[0,8]}}"#, "not what shape"),
    (#"{"w":{"dtype":32,"shape":[2],"data_offsets":[0,8]}}"#, "has no dtype"),
    (#"{"w":{"dtype":"F32","data_offsets":[0,8]}}"#, "has a shape"),
    (#"{"w":{"dtype":"F32","shape":[2]}}"#, "data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "unknown property \"x\""),
    (
      #"{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},\#(good)}"#,
      "overlaps"
    ),
    ("{\"__metadata__\":{\"a\":1},\(good)}", "__metadata__"),
    ("{\"__metadata__\":[],\(good)}", "__metadata__"),
    (String(repeating: "{\"a\":", count: 1000), "nested deeper than 8"),
  ])
  func `refuses a malformed header`(_ header: String, _ part: String) throws {
    let found = try sentence(safetensors(header, data: [UInt8](repeating: 0, count: 8)))
    #expect(found.contains(part), "\(found)")
  }

  @Test func `that shrinks while it is open is refused, not the end of the process`() throws {
    // More than what is read at once, so that some of it is still there.
    let values = (0..<400_000).map { Float($0) }
    let path = directory.path + "/w.safetensors"
    try SafetensorsWriter.write(to: path, ["x": ([400_000], values), "y": ([400_000], values)])
    let file = try SafetensorsFile(path)
    #expect(try file.floats("y") == values)
    #expect(try file.hasSameBytes("x", as: "y", in: file))
    try #require(unsafe truncate(path, off_t(3 << 20)) == 0)
    #expect(try file.floats("x") == values)
    let sentence = "ends within its bytes: the file was cut short while it was read; fetch it again"
    #expect(throws: WeightsError(file: path, tensor: "y", sentence)) { try file.floats("y") }
    #expect(throws: WeightsError(file: path, tensor: "y", sentence)) {
      try file.hasSameBytes("x", as: "y", in: file)
    }
  }

  @Test func `refuses a file that is cut short`() throws {
    let whole = safetensors("{\(Self.good)}", data: [UInt8](repeating: 0, count: 8))
    _ = try SafetensorsFile(directory.add("x.safetensors", whole))
    for count in 0..<whole.count {
      #expect(try !sentence(Array(whole.prefix(count))).isEmpty)
    }
    #expect(try sentence([]).contains("too short for a safetensors file"))
    #expect(
      try sentence([255, 255, 255, 255, 255, 255, 255, 255, 0]).contains("more than 100000000"))
    #expect(try sentence([9, 0, 0, 0, 0, 0, 0, 0, 0x7b]).contains("ends within its header"))
    #expect(try sentence([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]).isEmpty)
    #expect(try sentence([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22]).contains("not UTF-8"))
  }
}
