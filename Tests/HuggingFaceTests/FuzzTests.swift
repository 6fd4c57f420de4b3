import HuggingFace
import Safetensors
import TestSupport
import Tensors
import Testing
import Transformer

/// Mutations of good files: each must end in a checked result or in one sentence.
///
/// `BALLAST_FUZZ_COUNT` sets how many, over all kinds of files, and `BALLAST_FUZZ_SEED` where they
/// start; `scripts/fuzz-files` runs more than a test may.
@Suite struct `Mutated files` {
  /// Pieces that parsers stumble over.
  private static let pieces =
    [
      "null", "true", "-1", "0", "1e999", "1e-999", "NaN", "9223372036854775807", "65536",
      "9223372036854775808", "18446744073709551615", "4611686018427387904", "0.5", "1.0", "\"\"",
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\ud800", "\\u0000", "[[[[[[[[[[[[[[[[", "{}",
      "{\"a\":", "-", "2147483648", "1048576", "16777216", "\"F16\"", "\"F64\"",
      "\"__metadata__\":{}",
      "llama", "gpt2", "qwen3", "\"rope_type\":\"llama3\",", "\"head_dim\":2,", "1073741824",
    ]

  /// Whether an error reads as one line that starts with the file.
  private func isSentence(_ text: String, file: String) -> Bool {
    text.hasPrefix("\(file): ") && text.count > file.count + 8 && text.utf8.count < 2000
      && !text.utf8.contains { $0 < 0x20 }
  }

  @Test func `are configurations or sentences`() throws {
    var mutator = ByteMutator(Self.pieces, stream: 0)
    var texts = BuiltInModels.names.compactMap { BuiltInModels.text(named: $0) }
    texts.append(
      #"{"model_type":"qwen2","num_hidden_layers":3,"layer_types":["full_attention","#
        + #""sliding_attention","full_attention"],"use_sliding_window":true,"sliding_window":7,"#
        + #""rope_parameters":{"rope_type":"llama3","rope_theta":5e5,"factor":8.0,"#
        + #""low_freq_factor":1.0,"high_freq_factor":4.0}}"#)
    for scaling in [
      #""dynamic","factor":2.0"#, #""linear","factor":8"#,
      #""yarn","factor":4.0,"original_max_position_embeddings":99,"beta_fast":32,"truncate":false"#,
      #""longrope","short_factor":[1,2],"long_factor":[2.5,9],"attention_factor":1.5"#,
    ] {
      texts.append(
        #"{"model_type":"llama","head_dim":4,"rope_theta":500,"rope_scaling":{"type":\#(scaling)}}"#
      )
    }
    var accepted = 0
    for index in 0..<ByteMutator.count / 2 {
      let bytes = mutator.mutate(Array(texts[index % texts.count].utf8))
      do throws(ConfigurationError) {
        let read = try HuggingFaceConfiguration(bytes, file: "c").decoder
        accepted += 1
        #expect(read.heads % read.kvHeads == 0 && read.dHead >= 1 && read.layers >= 1)
        #expect(read.queryWidth <= 1 << 24 && read.normEpsilon > 0 && read.normEpsilon < 1)
        for length in [1, 1 << 20] {
          let rotation = read.headRotation(ofLength: length)
          // LongRoPE divides by what the file says, a millionth at least.
          let most: Float = if case .rotary(_, .longrope) = read.positions { 1e6 } else { 1 }
          #expect(
            rotation?.frequencies.allSatisfy { $0.isFinite && $0 >= 0 && $0 <= most } ?? true)
          #expect(rotation.map { $0.factor.isFinite && $0.factor > 0 } ?? true)
        }
        var few = read
        few.layers = min(few.layers, 2)
        #expect(WeightMap(few).parameterCount > 0)
      } catch {
        #expect(isSentence(error.description, file: "c"), "\(error)")
      }
    }
    #expect(accepted > ByteMutator.count / 200)
  }

  private static let header =
    #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
    + #""b.weight":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"#
    + #""c":{"dtype":"F16","shape":[],"data_offsets":[32,34]},"#
    + #""d":{"dtype":"I64","shape":[0,7],"data_offsets":[34,34]}} "#

  @Test func `are tensors or sentences in memory`() throws {
    var mutator = ByteMutator(Self.pieces, stream: 1)
    let header = Array(Self.header.utf8)
    for _ in 0..<ByteMutator.count / 2 {
      let bytes = mutator.mutate(header)
      let size = 8 + bytes.count + mutator.pick(34, 34, 34, 33, 35, 0)
      do throws(WeightsError) {
        let read = try SafetensorsHeader(bytes, fileSize: size, file: "w")
        #expect(read.tensors.allSatisfy { $0.count >= 0 })
      } catch {
        #expect(isSentence(error.description, file: "w"), "\(error)")
      }
    }
  }

  @Test func `are tensors or sentences on disk`() throws {
    var mutator = ByteMutator(Self.pieces, stream: 2)
    let directory = try Folder()
    let data = (0..<34).map { UInt8($0 * 7) }
    let whole = safetensors(Self.header, data: data)
    for _ in 0..<ByteMutator.count / 10 {
      let path = try directory.add("w.safetensors", mutator.mutate(whole))
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
    var mutator = ByteMutator(Self.pieces, stream: 3)
    let directory = try Folder()
    try SafetensorsWriter.write(
      to: "\(directory.path)/s.safetensors", ["a": ([1], [1]), "b": ([1], [2])])
    let index = Array(
      #"{"metadata":{"total_size":8},"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}"#.utf8)
    for _ in 0..<ByteMutator.count / 20 {
      let path = try directory.add(
        "model.safetensors.index.json", mutator.mutate(index))
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
