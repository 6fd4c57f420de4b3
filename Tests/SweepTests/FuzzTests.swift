import Autograd
import Foundation
import Retention
import Sweep
import TestSupport
import Testing
import Transformer

/// Mutations of good token files and profiles: each must end in checked points or in one sentence.
///
/// `BALLAST_FUZZ_COUNT` sets how many, half of them of each kind, and `BALLAST_FUZZ_SEED` where they
/// start; `scripts/fuzz-files` runs more than a test may.
@Suite struct `Mutated files of a sweep` {
  private static func environment(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  private static let count = max(environment("BALLAST_FUZZ_COUNT") ?? 20_000, 10)
  private static let seed = UInt64(truncatingIfNeeded: environment("BALLAST_FUZZ_SEED") ?? 1)

  private static let pieces: [[UInt8]] =
    [
      "null", "true", "-1", "0", "1e999", "0.5", "11", "9223372036854775807", "65536", "~", "''",
      "9223372036854775808", "4611686018427387904", "\"\"", "{", "}", "[", "]", ",", ":", "\n", " ",
      "[[[[[[[[[[[[[[[[", "{}", "[]", "\\ud800", "\\u0000", "\"tokens\":", "\"a\":", "- ", "? ",
      "#",
      "&a ", "*a", "<<: ", "!!int ", "|\n", ">\n", "'", "\"", "---\n", "\t", "\r", "n_c: ",
      "model: ",
      "tokens: /\n", "weights: /dev/zero\n", "trainable: '('\n", "dtype: bfloat16\n", "layers: 3\n",
      "{from: 0, to: 90, step: 7}", "repeat: 3\n", "dropout: 0.5\n", "gpt3-175b", "\u{85}",
      "\u{2028}",
    ].map { Array($0.utf8) } + [[0xff], [0xc0, 0x80], [0xef, 0xbb, 0xbf], [0]]

  /// One to four changes of bytes, ranges, tokens or numbers.
  private static func mutate(_ original: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
    var bytes = original
    for _ in 0..<max(1, Int.random(in: -3...4, using: &random)) {
      let at = Int.random(in: 0...bytes.count, using: &random)
      let end = min(bytes.count, at + Int.random(in: 0...24, using: &random))
      let piece = pieces.randomElement(using: &random) ?? []
      switch Int.random(in: 0..<8, using: &random) {
      case 0: if at < bytes.count { bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
      case 1: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &random) }
      case 2: bytes.removeSubrange(at..<end)
      case 3: bytes.insert(contentsOf: bytes[at..<end], at: at)
      case 4: bytes.removeSubrange(at...)
      case 5: bytes.insert(contentsOf: piece, at: at)
      default:
        // A whole number in the text becomes another token.
        let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
        guard let digit = digits.randomElement(using: &random) else { continue }
        var last = digit
        while last + 1 < bytes.count && (0x30...0x39).contains(bytes[last + 1]) { last += 1 }
        bytes.replaceSubrange(digit...last, with: piece)
      }
    }
    return bytes
  }

  /// Whether an error reads as one line that starts with the file.
  private func isSentence(_ text: String, file: String) -> Bool {
    text.hasPrefix("\(file):") && text.count > file.count + 8 && text.utf8.count < 2000
      && !text.contains(where: \.isNewline) && !text.utf8.contains(0)
  }

  @Test func `are tokens or sentences`() {
    var random = SplitMix64(seed: Self.seed)
    let texts = [
      #"{"tokens": [3, 1, 4, 1, 5, 9, 2, 6]}"#,
      "{\"tokens\": [\n  [3, 1, 4, 1],\n  [5, 9, 2, 6]\n]}\n",
    ]
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11),
      nC: 2, nG: 2)
    var accepted = 0
    for index in 0..<Self.count / 2 {
      point.batch = 1 + index % 2
      let bytes = Self.mutate(Array(texts[index % 2].utf8), &random)
      do throws(TokensError) {
        let file = try TokenFile(bytes, file: "t")
        let tokens = try file.tokens(for: point)
        _ = file.note(for: [PlannedPoint(point: point)])
        accepted += 1
        let valid = tokens.ids.allSatisfy { $0 >= 0 && $0 < 11 }
        #expect(valid && tokens.ids.count == 4 * point.batch)
      } catch {
        #expect(isSentence(error.description, file: "t"), "\(error)")
      }
    }
    #expect(accepted > Self.count / 200)
  }

  @Test func `are points or sentences`() {
    var random = SplitMix64(seed: Self.seed &+ 1)
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures").path
    let texts = [
      """
      model: llama-gqa
      tokens: llama-gqa/tokens.json
      n_c: [1, 5, 8]
      n_g: 4
      batch: 2
      layers: [1, 2]
      trainable: 'layers\\.[01]'
      mode: [full-graph, detached-prefix]  # both
      """,
      """
      profile: "fuzz"
      memory: 2GiB
      model: [seed, gpt2]
      n_c: {from: 0, to: 90, step: 30}
      n_g: 3
      dtype: bfloat16
      loss_rows: generated
      keep_prefix: [0, 1]
      repeat: 2
      """,
      """
      model: {name: own, layers: 1, d_model: 8, heads: 2, d_ff: 9, vocab: 11, rope_theta: 1e4}
      n_c: 4
      n_g: 4
      seed: 18446744073709551615
      attention: [fused, materialized]
      backend: shape
      """,
    ]
    var accepted = 0
    for index in 0..<Self.count / 2 {
      let bytes = Self.mutate(Array(texts[index % texts.count].utf8), &random)
      let file = "\(fixtures)/p.yaml"
      do throws(ProfileError) {
        let profile = try Profile(text: String(decoding: bytes, as: UTF8.self), file: file)
        accepted += 1
        #expect(!profile.points.isEmpty && profile.points.count <= Profile.mostPoints)
        for planned in profile.points.prefix(4) {
          #expect(throws: Never.self) { try planned.point.validate() }
        }
      } catch {
        #expect(isSentence(error.description, file: file), "\(error)")
      }
    }
    #expect(accepted > Self.count / 200)
  }
}
