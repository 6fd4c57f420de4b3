import Autograd
import Foundation
import Measurement
import Profiles
import Retention
import TestSupport
import Testing
import Transformer

/// Mutations of good token files and profiles: each must end in checked points or in one sentence.
///
/// `BALLAST_FUZZ_COUNT` sets how many, half of them of each kind, and `BALLAST_FUZZ_SEED` where they
/// start; `scripts/fuzz-files` runs more than a test may.
@Suite struct `Mutated files of a sweep` {
  private static let pieces =
    [
      "null", "true", "-1", "0", "1e999", "0.5", "11", "9223372036854775807", "65536", "~", "''",
      "9223372036854775808", "4611686018427387904", "\"\"", "{", "}", "[", "]", ",", ":", "\n", " ",
      "[[[[[[[[[[[[[[[[", "{}", "[]", "\\ud800", "\\u0000", "\"tokens\":", "\"a\":", "- ", "? ",
      "#",
      "&a ", "*a", "<<: ", "!!int ", "|\n", ">\n", "'", "\"", "---\n", "\t", "\r", "n_c: ",
      "model: ",
      "tokens: /\n", "weights: /dev/zero\n", "trainable: '('\n", "dtype: bfloat16\n", "layers: 3\n",
      "{from: 0, to: 90, step: 7}", "repeat: 3\n", "dropout: 0.5\n", "gpt3-175b", "baseline + 9%",
      "budgets: ",
      "figure: peak", "\u{85}",
      "\u{2028}",
    ]

  /// Whether an error reads as one line that starts with the file.
  private func isSentence(_ text: String, file: String) -> Bool {
    text.hasPrefix("\(file):") && text.count > file.count + 8 && text.utf8.count < 2000
      && !text.contains(where: \.isNewline) && !text.utf8.contains(0)
  }

  @Test func `are tokens or sentences`() {
    var mutator = ByteMutator(Self.pieces, stream: 0)
    let texts = [
      #"{"tokens": [3, 1, 4, 1, 5, 9, 2, 6]}"#,
      "{\"tokens\": [\n  [3, 1, 4, 1],\n  [5, 9, 2, 6]\n]}\n",
    ]
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11),
      nC: 2, nG: 2)
    var accepted = 0
    for index in 0..<ByteMutator.count / 2 {
      point.batch = 1 + index % 2
      let bytes = mutator.mutate(Array(texts[index % 2].utf8))
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
    #expect(accepted > ByteMutator.count / 200)
  }

  @Test func `are points or sentences`() {
    var mutator = ByteMutator(Self.pieces, stream: 1)
    let fixtures = Repository.fixtures
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
      """
      model: seed
      n_c: [4, 8]
      n_g: 4
      mode: [full-graph, detached-prefix]
      budgets:
        - {figure: retained, within: 2%, n_c: 8}
        - {figure: peak, relative_to: full-graph, at_least: 0.1, at_most: 1e-1}
        - figure: per_prefix_token
          at_most: baseline - 4KiB
          at_least: 12
      """,
    ]
    var accepted = 0
    for index in 0..<ByteMutator.count / 2 {
      let bytes = mutator.mutate(Array(texts[index % texts.count].utf8))
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
    #expect(accepted > ByteMutator.count / 200)
  }
}
