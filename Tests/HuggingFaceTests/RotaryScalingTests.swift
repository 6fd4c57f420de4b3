import Foundation
import HuggingFace
import TestSupport
import Testing
import Transformer

/// What a configuration says of longer contexts, in the forms that published files have.
@Suite struct `Rotary scaling` {
  private typealias Scaling = DecoderConfiguration.RotaryScaling

  private func read(_ fields: String) throws -> (scaling: Scaling?, notes: [String]) {
    let text = #"{"model_type": "llama", "head_dim": 8, \#(fields)}"#
    let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    guard case .rotary(_, let scaling) = read.decoder.positions else { return (nil, []) }
    return (scaling, read.notes)
  }

  @Test func `linear and dynamic are read from their old and new place`() throws {
    for place in ["rope_scaling", "rope_parameters"] {
      for type in ["type", "rope_type"] {
        let linear = try read(#""\#(place)": {"\#(type)": "linear", "factor": 8}"#)
        #expect(linear.scaling == .linear(factor: 8) && linear.notes.isEmpty)
        let dynamic = try read(
          #""max_position_embeddings": 4096, "\#(place)": {"\#(type)": "dynamic", "factor": 2.0}"#)
        #expect(dynamic.scaling == .dynamic(factor: 2, context: 4096) && dynamic.notes.isEmpty)
      }
    }
    // Only max_position_embeddings counts, as in transformers.
    let other = try read(
      #""max_position_embeddings": 77, "rope_scaling": {"type": "dynamic", "factor": 2, "#
        + #""original_max_position_embeddings": 33}"#)
    #expect(other.scaling == .dynamic(factor: 2, context: 77))
    #expect(other.notes.count == 1 && other.notes[0].contains("is passed over"))
  }

  /// The factor of cosines and sines of some fields of a yarn object, factor 40.
  private func attentionFactor(_ fields: String) throws -> Double? {
    let read = try read(
      #""rope_scaling": {"type": "yarn", "factor": 40, "#
        + #""original_max_position_embeddings": 2048\#(fields)}"#)
    guard case .yarn(let yarn) = read.scaling else { return nil }
    return yarn.attentionFactor
  }

  @Test func `yarn's attention factor is the paper's, or what mscale or the file says`() throws {
    let paper = 0.1 * log(40.0) + 1
    #expect(try attentionFactor("") == paper)
    #expect(try attentionFactor(#", "attention_factor": 1.25"#) == 1.25)
    #expect(try attentionFactor(#", "mscale": 1.0, "mscale_all_dim": 1.0"#) == 1)
    #expect(
      try attentionFactor(#", "mscale": 0.707, "mscale_all_dim": 1"#)
        == (0.0707 * log(40.0) + 1) / paper)
    // One alone counts for nothing.
    #expect(try attentionFactor(#", "mscale": 0.707"#) == paper)
    #expect(try attentionFactor(#", "mscale": 0, "mscale_all_dim": 1"#) == paper)
  }

  @Test func `published yarn objects are read`() throws {
    let qwen = try read(
      #""max_position_embeddings": 32768, "rope_scaling": {"factor": 4.0, "#
        + #""original_max_position_embeddings": 32768, "type": "yarn"}"#)
    var yarn = DecoderConfiguration.YaRN(
      factor: 4, attentionFactor: 0.1 * log(4.0) + 1, originalContext: 32768)
    #expect(qwen.scaling == .yarn(yarn) && qwen.notes.isEmpty)
    // Qwen3's page: 40,960 positions, of which 32,768 are the original ones.
    let other = try read(
      #""max_position_embeddings": 40960, "rope_scaling": {"factor": 4.0, "#
        + #""original_max_position_embeddings": 32768, "rope_type": "yarn"}"#)
    #expect(other.scaling == .yarn(yarn) && other.notes.count == 1)
    #expect(other.notes[0].contains("1.25 times"))
    let llama = try read(
      #""max_position_embeddings": 4096, "rope_scaling": {"factor": 32.0, "finetuned": true, "#
        + #""beta_fast": 0, "beta_slow": null, "truncate": false, "type": "yarn"}"#)
    yarn.factor = 32
    yarn.attentionFactor = 0.1 * log(32.0) + 1
    yarn.originalContext = 4096
    yarn.truncates = false
    #expect(llama.scaling == .yarn(yarn) && llama.notes.count == 1)
    #expect(llama.notes.allSatisfy { $0.contains("finetuned") })
  }

  /// With and without them transformers' loss is the same to the last bit.
  @Test(arguments: [
    (#""type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8"#, "attn_factor"),
    (#""type": "dynamic", "factor": 1.0"#, "alpha"), (#""type": "linear", "factor": 2"#, "alpha"),
    (#""type": "default""#, "mrope_section"),
  ])
  func `fields that no scaling reads are noted`(scaling: String, field: String) throws {
    let context = #""max_position_embeddings": 32, "#
    let plain = try read(context + #""rope_scaling": {\#(scaling)}"#)
    let other = try read(context + #""rope_scaling": {\#(scaling), "\#(field)": 1.3}"#)
    #expect(other.scaling == plain.scaling && plain.notes.isEmpty)
    #expect(other.notes.count == 1 && other.notes[0].contains("rope_scaling.\(field)"))
  }

  @Test func `yarn without a factor goes by the lengths`() throws {
    func scaling(_ factor: String) throws -> DecoderConfiguration.RotaryScaling? {
      try read(
        #""max_position_embeddings": 32, "rope_scaling": {"type": "yarn", "factor": \#(factor), "#
          + #""original_max_position_embeddings": 8}"#
      ).scaling
    }
    #expect(try scaling("null") == scaling("4"))
  }

  @Test func `longrope's factors are told apart by the original context`() throws {
    let factors = #""short_factor": [1, 1, 1, 1.5], "long_factor": [2, 3, 4, 5]"#
    let outside = try read(
      #""max_position_embeddings": 400, "original_max_position_embeddings": 100, "#
        + #""rope_scaling": {"type": "longrope", \#(factors)}"#)
    let rope = DecoderConfiguration.LongRoPE(
      short: [1, 1, 1, 1.5], long: [2, 3, 4, 5],
      attentionFactor: (1 + log(4) / log(100)).squareRoot(), originalContext: 100)
    #expect(outside.scaling == .longrope(rope))
  }

  @Test(arguments: [
    (#""rope_scaling": {"type": "linear"}"#, "\"rope_scaling.factor\" is missing"),
    (#""rope_scaling": {"type": "linear", "factor": 0.5}"#, "a number from 1 to 1e6, not 0.5"),
    (#""rope_scaling": {"type": "linear", "factor": "8"}"#, "a number from 1 to 1e6"),
    (#""rope_scaling": {"type": "dynamic", "factor": null}"#, "\"rope_scaling.factor\" is null"),
    (
      #""head_dim": 2, "rope_scaling": {"type": "dynamic", "factor": 2}"#,
      "needs heads wider than 2"
    ),
    (#""rope_scaling": {"type": "linear", "facter": 2}"#, "must be a number from 1 to 1e6"),
    (#""rope_scaling": {"type": "yarn", "factor": 2, "beta_fest": 3}"#, "did you mean"),
    (#""rope_scaling": {"type": "linear", "factor": null}"#, "is null; it must be a number from 1"),
    (
      #""rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}"#,
      "\"rope_scaling.beta_fast\" 1.0 must not be less than beta_slow 2.0"
    ),
    (#""rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": -1}"#, "a number from 0 to 1e6"),
    (#""rope_scaling": {"type": "yarn", "factor": 2, "truncate": null}"#, "is null"),
    (#""rope_scaling": {"type": "yarn", "factor": 2, "attention_factor": 0}"#, "above 0"),
    (#""rope_scaling": {"type": "yarn", "factor": 2, "attention_factor": -1}"#, "above 0"),
    (
      #""rope_theta": 1, "rope_scaling": {"type": "yarn", "factor": 2}"#,
      "\"rope_theta\" is 1"
    ),
    (
      #""original_max_position_embeddings": 5, "rope_scaling": {"type": "yarn", "factor": 2, "#
        + #""original_max_position_embeddings": 6}"#,
      "is 6, but it is 5 elsewhere"
    ),
    (
      #""rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"type": "linear", "#
        + #""factor": 3}"#,
      "disagree"
    ),
    (#""rope_scaling": {"type": "longrope"}"#, "must be a list of 64 numbers"),
    (
      #""rope_scaling": {"type": "longrope", "short_factor": [1, 2], "long_factor": [1, 2]}"#,
      "has 2 numbers, but heads of width 128 have 64 pairs"
    ),
    (
      #""head_dim": 4, "rope_scaling": {"type": "longrope", "short_factor": [1, "x"], "#
        + #""long_factor": [1, 2]}"#,
      "must hold numbers from 1e-6 to 1e6"
    ),
    (
      #""head_dim": 4, "rope_scaling": {"type": "longrope", "short_factor": [1, 0], "#
        + #""long_factor": [1, 2]}"#,
      "must hold numbers from 1e-6 to 1e6"
    ),
  ])
  func `what transformers warns of is refused with a sentence`(_ fields: String, _ part: String) {
    let sentence = refusal(#"{"model_type": "llama", \#(fields)}"#)
    #expect(sentence?.contains(part) == true, "\(sentence ?? "accepted")")
  }
}
