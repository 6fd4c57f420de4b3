import Autograd
import Ledger
import Tensors

/// All parameters of a decoder under their Hugging Face names, and the parts that ops take.
struct ParameterTable {
  /// In the order of the forward pass.
  let all: [Parameter]
  let byName: [String: Parameter]
  private let configuration: DecoderConfiguration

  /// Allocates what `WeightMap` lists, with undefined contents.
  ///
  /// - Throws: `AllocationError` if it does not fit.
  init(_ configuration: DecoderConfiguration, dtype: DType, tensors: TensorFactory) throws {
    all = try WeightMap(configuration).tensors.map { tensor in
      let isAdapter = [.adapterA, .adapterB].contains(tensor.role.kind)
      return Parameter(
        name: tensor.name, role: tensor.role, layer: tensor.layer,
        value: try tensors.make(
          tensor.name, .parameter(tensor.role), Shape(tensor.shape.map(Axis.plain)),
          isAdapter ? configuration.adapter?.dtype ?? dtype : dtype, for: .parameter))
    }
    byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    self.configuration = configuration
  }

  /// The parameter of this name, or the copy that is trained in its place; the model's own code
  /// asks only for what its family has.
  subscript(name: String) -> Parameter {
    guard let parameter = optional(name) else {
      preconditionFailure("\(configuration.family.rawValue) has no parameter \(name)")
    }
    return parameter
  }

  /// The same, if the configuration has it.
  func optional(_ name: String) -> Parameter? {
    byName[AdapterConfiguration.prefix + name] ?? byName[name]
  }

  /// The weight `name.weight` and, if there is one, the bias `name.bias`.
  func projection(_ name: String) -> Projection {
    let weight = self[name + ".weight"]
    guard configuration.family == .gpt2 else {
      return Projection(
        weight: Weight(weight), bias: optional(name + ".bias").map { Weight($0) },
        adapter: adapter(of: name))
    }
    return part(name, columns: 0..<weight.value.extent(1), of: nil)
  }

  /// The adapter of a linear map, or the part of it that makes some of the outputs; nil for none.
  private func adapter(of name: String, outputs: Range<Int>? = nil, of module: Module? = nil)
    -> Adapter?
  {
    let names = AdapterConfiguration.names(of: name)
    guard let adapter = configuration.adapter, let a = byName[names.a], let b = byName[names.b]
    else { return nil }
    let rows = outputs ?? 0..<b.value.extent(0)
    return Adapter(
      a: Weight(a), b: Weight(b, rows: rows, of: module),
      scale: adapter.scale, dropout: adapter.dropout, module: name)
  }

  /// Columns of GPT-2's `Conv1D` `[in, out]`, as a projection of their own.
  ///
  /// `module` is what they make; nil for all that the parameter does.
  func part(_ name: String, columns: Range<Int>, of module: Module?) -> Projection {
    Projection(
      weight: Weight(self[name + ".weight"], part: columns, of: module),
      bias: Weight(self[name + ".bias"], part: columns, of: module),
      adapter: adapter(of: name, outputs: columns, of: module))
  }

  /// The norm `name`.
  func norm(_ name: String) -> Norm {
    switch configuration.normalization {
    case .rms: .rms(self[name + ".weight"])
    case .layer: .layer(self[name + ".weight"], bias: self[name + ".bias"])
    }
  }

  // MARK: Layers

  /// The weights of one layer.
  func layer(_ index: Int) -> DecoderLayer {
    configuration.family == .gpt2 ? gpt2Layer(index) : llamaLayer(index)
  }

  private func gpt2Layer(_ index: Int) -> DecoderLayer {
    let base = "transformer.h.\(index)"
    let c = configuration
    let (q, k) = (c.queryWidth, c.keyWidth)
    func attention(_ columns: Range<Int>, _ module: Module) -> Projection {
      part("\(base).attn.c_attn", columns: columns, of: module)
    }
    let (up, down) = (projection("\(base).mlp.c_fc"), projection("\(base).mlp.c_proj"))
    return DecoderLayer(
      configuration: c, index: index, attentionNorm: norm("\(base).ln_1"),
      q: attention(0..<q, .query), k: attention(q..<q + k, .key),
      v: attention(q + k..<q + 2 * k, .value),
      qNorm: nil, kNorm: nil, o: projection("\(base).attn.c_proj"),
      mlpNorm: norm("\(base).ln_2"), mlp: mlp(gate: nil, up: up, down: down))
  }

  private func llamaLayer(_ index: Int) -> DecoderLayer {
    let base = "model.layers.\(index)"
    let attention = "\(base).self_attn"
    return DecoderLayer(
      configuration: configuration, index: index, attentionNorm: norm("\(base).input_layernorm"),
      q: projection("\(attention).q_proj"), k: projection("\(attention).k_proj"),
      v: projection("\(attention).v_proj"),
      qNorm: optional("\(attention).q_norm.weight"),
      kNorm: optional("\(attention).k_norm.weight"), o: projection("\(attention).o_proj"),
      mlpNorm: norm("\(base).post_attention_layernorm"),
      mlp: mlp(
        gate: projection("\(base).mlp.gate_proj"), up: projection("\(base).mlp.up_proj"),
        down: projection("\(base).mlp.down_proj")))
  }

  private func mlp(gate: Projection?, up: Projection, down: Projection) -> DecoderLayer.MLP {
    switch (configuration.mlp, gate) {
    case (.swiGLU, let gate?): .swiGLU(gate: gate, up: up, down: down)
    case (.gelu(let form), _): .gelu(form, up: up, down: down)
    case (.swiGLU, nil): preconditionFailure("a gated MLP has a gate")
    }
  }
}
