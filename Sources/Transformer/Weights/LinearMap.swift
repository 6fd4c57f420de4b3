package import Ledger

/// A linear map of a layer, under Hugging Face's name.
package struct LinearMap: Hashable, Sendable {
  package let module: String
  /// What it is in the layer.
  package let kind: Module
  /// Widths of what it takes and what it makes.
  let input: Int
  let output: Int
  let hasBias: Bool
}

extension DecoderConfiguration {
  /// The linear maps of a layer, in the order of the forward pass.
  func linearMaps(ofLayer layer: Int) -> [LinearMap] {
    func map(_ name: String, _ kind: Module, from input: Int, to output: Int, bias: Bool)
      -> LinearMap
    {
      LinearMap(module: name, kind: kind, input: input, output: output, hasBias: bias)
    }
    guard family != .gpt2 else {
      let base = "transformer.h.\(layer)"
      return [
        map(
          "\(base).attn.c_attn", .queryKeyValue, from: dModel, to: queryWidth + 2 * keyWidth,
          bias: true),
        map("\(base).attn.c_proj", .attentionOutput, from: queryWidth, to: dModel, bias: true),
        map("\(base).mlp.c_fc", .up, from: dModel, to: dFF, bias: true),
        map("\(base).mlp.c_proj", .down, from: dFF, to: dModel, bias: true),
      ]
    }
    let (attention, mlp) = ("model.layers.\(layer).self_attn", "model.layers.\(layer).mlp")
    return [
      map("\(attention).q_proj", .query, from: dModel, to: queryWidth, bias: queryKeyValueBias),
      map("\(attention).k_proj", .key, from: dModel, to: keyWidth, bias: queryKeyValueBias),
      map("\(attention).v_proj", .value, from: dModel, to: keyWidth, bias: queryKeyValueBias),
      map("\(attention).o_proj", .attentionOutput, from: queryWidth, to: dModel, bias: outputBias),
      map("\(mlp).gate_proj", .gate, from: dModel, to: dFF, bias: mlpBias),
      map("\(mlp).up_proj", .up, from: dModel, to: dFF, bias: mlpBias),
      map("\(mlp).down_proj", .down, from: dFF, to: dModel, bias: mlpBias),
    ]
  }

  /// Those of all layers.
  package var linearMaps: [LinearMap] { (0..<layers).flatMap { linearMaps(ofLayer: $0) } }

  /// The module of the embedding.
  var embeddingModule: String {
    family == .gpt2 ? "transformer.wte" : "model.embed_tokens"
  }

  /// Norms, embeddings and the head, by their full names.
  var otherModules: [(name: String, kind: Module)] {
    var plain = self
    plain.adapter = nil
    return WeightMap(plain).tensors.compactMap { tensor in
      if case .linear = tensor.role.module.family { return nil }
      let name = tensor.name.split(separator: ".").dropLast().joined(separator: ".")
      return (name, tensor.role.module)
    }
  }
}
