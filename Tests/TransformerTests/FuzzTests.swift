import Foundation
import Testing
import Transformer

/// Mutations of good files: each must end in a checked result or in one sentence.
///
/// `BALLAST_FUZZ_COUNT` sets how many, over all kinds of files, and `BALLAST_FUZZ_SEED` where they
/// start; `scripts/fuzz-files` runs more than a test may.
@Suite struct `Mutated files` {
  private static func environment(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  private static let count = max(environment("BALLAST_FUZZ_COUNT") ?? 20_000, 10)
  private static let seed = UInt64(truncatingIfNeeded: environment("BALLAST_FUZZ_SEED") ?? 1)

  /// Pieces that parsers stumble over.
  private static let pieces: [[UInt8]] =
    [
      "null", "true", "-1", "0", "1e999", "1e-999", "NaN", "9223372036854775807", "65536",
      "9223372036854775808", "18446744073709551615", "4611686018427387904", "0.5", "1.0", "\"\"",
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\ud800", "\\u0000", "[[[[[[[[[[[[[[[[", "{}",
      "{\"a\":", "-", "2147483648", "1048576", "16777216", "\"F16\"", "\"F64\"",
      "\"__metadata__\":{}",
      "llama", "gpt2", "qwen3", "\"rope_type\":\"llama3\",", "\"head_dim\":2,", "1073741824",
    ].map { Array($0.utf8) } + [[0xff], [0xc0, 0x80], [0xef, 0xbb, 0xbf], [0]]

  /// One to four changes of bytes, ranges or tokens.
  private static func mutate(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<max(1, Int.random(in: -3...4, using: &random)) {
      let at = Int.random(in: 0...bytes.count, using: &random)
      let end = min(bytes.count, at + Int.random(in: 0...24, using: &random))
      switch Int.random(in: 0..<8, using: &random) {
      case 0: if at < bytes.count { bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
      case 1: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &random) }
      case 2: bytes.removeSubrange(at..<end)
      case 3: bytes.insert(contentsOf: bytes[at..<end], at: at)
      case 4: bytes.removeSubrange(at...)
      case 5: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: at)
      default:
        // A whole number in the text becomes another token.
        let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
        guard let digit = digits.randomElement(using: &random) else { continue }
        var last = digit
        while last + 1 < bytes.count && (0x30...0x39).contains(bytes[last + 1]) { last += 1 }
        bytes.replaceSubrange(digit...last, with: pieces.randomElement(using: &random) ?? [])
      }
    }
    return bytes
  }

  /// Whether an error reads as one line that starts with the file.
  private func isSentence(_ text: String, file: String) -> Bool {
    text.hasPrefix("\(file): ") && text.count > file.count + 8 && text.utf8.count < 2000
      && !text.utf8.contains { $0 < 0x20 }
  }

  @Test func `are configurations or sentences`() throws {
    var random = SeededGenerator(seed: Self.seed)
    var texts = BuiltInModels.names.compactMap { BuiltInModels.text(named: $0) }
    texts.append(
      #"{"model_type":"qwen2","num_hidden_layers":3,"layer_types":["full_attention","#
        + #""sliding_attention","full_attention"],"use_sliding_window":true,"sliding_window":7,"#
        + #""rope_parameters":{"rope_type":"llama3","rope_theta":5e5,"factor":8.0,"#
        + #""low_freq_factor":1.0,"high_freq_factor":4.0}}"#)
    var accepted = 0
    for index in 0..<Self.count / 2 {
      let bytes = Self.mutate(Array(texts[index % texts.count].utf8), &random)
      do throws(ConfigurationError) {
        let read = try HuggingFaceConfiguration(bytes, file: "c").decoder
        accepted += 1
        #expect(read.heads % read.kvHeads == 0 && read.dHead >= 1 && read.layers >= 1)
        #expect(read.queryWidth <= 1 << 24 && read.normEpsilon > 0 && read.normEpsilon < 1)
        let frequencies = read.rotaryFrequencies
        #expect(frequencies.allSatisfy { $0.isFinite && $0 >= 0 && $0 <= 1 })
        var few = read
        few.layers = min(few.layers, 2)
        #expect(WeightMap(few).parameterCount > 0)
      } catch {
        #expect(isSentence(error.description, file: "c"), "\(error)")
      }
    }
    #expect(accepted > Self.count / 200)
  }

  private static let header =
    #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
    + #""b.weight":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"#
    + #""c":{"dtype":"F16","shape":[],"data_offsets":[32,34]},"#
    + #""d":{"dtype":"I64","shape":[0,7],"data_offsets":[34,34]}} "#

  @Test func `are tensors or sentences in memory`() throws {
    var random = SeededGenerator(seed: Self.seed &+ 1)
    let header = Array(Self.header.utf8)
    for _ in 0..<Self.count / 2 {
      let bytes = Self.mutate(header, &random)
      let size = 8 + bytes.count + [34, 34, 34, 33, 35, 0].randomElement(using: &random, or: 34)
      do throws(WeightsError) {
        let read = try SafetensorsHeader(bytes, fileSize: size, file: "w")
        #expect(read.tensors.allSatisfy { $0.count >= 0 })
      } catch {
        #expect(isSentence(error.description, file: "w"), "\(error)")
      }
    }
  }

  @Test func `are tensors or sentences on disk`() throws {
    var random = SeededGenerator(seed: Self.seed &+ 2)
    let directory = try TemporaryDirectory()
    let data = (0..<34).map { UInt8($0 * 7) }
    let whole = safetensors(Self.header, data: data)
    for _ in 0..<Self.count / 10 {
      let path = try directory.write("w.safetensors", Self.mutate(whole, &random))
      do throws(WeightsError) {
        let weights = try ModelWeights.open(path)
        for name in weights.names where weights.tensor(named: name)?.dtype.isReadable == true {
          let count = try weights.floats(name).count
          #expect(count == weights.tensor(named: name)?.count)
        }
      } catch {
        #expect(isSentence(error.description, file: path), "\(error)")
      }
    }
  }

  @Test func `are shards or sentences`() throws {
    var random = SeededGenerator(seed: Self.seed &+ 3)
    let directory = try TemporaryDirectory()
    try SafetensorsWriter.write(
      to: "\(directory.path)/s.safetensors", ["a": ([1], [1]), "b": ([1], [2])])
    let index = Array(
      #"{"metadata":{"total_size":8},"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}"#.utf8)
    for _ in 0..<Self.count / 20 {
      let path = try directory.write(
        "model.safetensors.index.json", Self.mutate(index, &random))
      do throws(WeightsError) {
        let weights = try ModelWeights.open(path)
        for name in weights.names { _ = try weights.floats(name) }
      } catch {
        #expect(error.description.hasPrefix(directory.path))
        #expect(!error.description.utf8.contains { $0 < 0x20 }, "\(error)")
      }
    }
  }
}

extension Array {
  fileprivate func randomElement(using random: inout SeededGenerator, or other: Element) -> Element
  {
    randomElement(using: &random) ?? other
  }
}
