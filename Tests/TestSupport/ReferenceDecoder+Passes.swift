extension ReferenceDecoder {
  /// Everything that the forward pass of one sequence computed.
  struct Trace {
    var layers: [LayerTrace] = []
    /// What enters the final norm, `[n, d]`.
    var x: [Double] = []
    /// What leaves it, `[n, d]`.
    var normed: [Double] = []
    /// `[n, vocab]`
    var logits: [Double] = []
  }

  /// What one layer computed.
  struct LayerTrace {
    /// What enters the layer, `[n, d]`.
    var x: [Double]
    /// The input of attention, `[n, d]`.
    var normed1: [Double]
    /// Rotated, `[n, heads, d_head]`.
    var q: [Double]
    /// Rotated, `[n, kv_heads, d_head]`.
    var k: [Double]
    /// `[n, kv_heads, d_head]`
    var v: [Double]
    /// `[heads, n, n]`
    var probabilities: [Double]
    /// What attention gives, `[n, heads, d_head]`.
    var o: [Double]
    /// The residual stream between attention and MLP, `[n, d]`.
    var middle: [Double]
    /// The input of the MLP, `[n, d]`.
    var normed2: [Double]
    /// `[n, d_ff]`
    var gate: [Double]
    /// `[n, d_ff]`
    var up: [Double]
    /// `silu(gate) ∘ up`, `[n, d_ff]`.
    var activated: [Double]
  }

  /// Keys and values of one layer, `[n, kv_heads, d_head]` each.
  struct KeysAndValues {
    var k: [Double]
    var v: [Double]
  }

  // MARK: Forward

  /// Runs one sequence; where `frozen` is given, its keys and values stand in for rows `< cut`.
  func forward(_ tokens: [Int], frozen: [KeysAndValues]? = nil, cut: Int = 0) -> Trace {
    let (d, vocab) = (configuration.dModel, configuration.vocab)
    let embedding = parameter(Name.embedding)  // [vocab, d]
    var trace = Trace()
    var x: [Double] = []  // [n, d]
    for token in tokens { x += embedding[token * d..<(token + 1) * d] }
    for layer in 0..<configuration.layers {
      x = forward(layer: layer, x, frozen: frozen?[layer], cut: cut, into: &trace)
    }
    trace.x = x
    trace.normed = rmsNorm(
      x, weight: parameter(Name.finalNorm), epsilon: configuration.epsilon)
    trace.logits = linear(
      trace.normed, parameter(configuration.headName), inputs: d, outputs: vocab)
    return trace
  }

  /// Runs one layer on `x` `[n, d]` and returns what leaves it, `[n, d]`.
  private func forward(
    layer: Int, _ x: [Double], frozen: KeysAndValues?, cut: Int, into trace: inout Trace
  ) -> [Double] {
    let c = configuration
    let (d, queries, keys) = (c.dModel, c.heads * c.dHead, c.kvHeads * c.dHead)

    let normed1 = rmsNorm(x, weight: parameter(Name.inputNorm(layer)), epsilon: c.epsilon)
    let q = rotate(
      linear(normed1, parameter(Name.q(layer)), inputs: d, outputs: queries),
      heads: c.heads, frequencies: c.frequencies, direction: 1)
    var k = rotate(
      linear(normed1, parameter(Name.k(layer)), inputs: d, outputs: keys),
      heads: c.kvHeads, frequencies: c.frequencies, direction: 1)
    var v = linear(normed1, parameter(Name.v(layer)), inputs: d, outputs: keys)
    if let frozen {
      k.replaceSubrange(0..<cut * keys, with: frozen.k[0..<cut * keys])
      v.replaceSubrange(0..<cut * keys, with: frozen.v[0..<cut * keys])
    }
    let (o, probabilities) = attention(
      q: q, k: k, v: v, heads: c.heads, kvHeads: c.kvHeads, dHead: c.dHead)
    let middle = sum(x, linear(o, parameter(Name.o(layer)), inputs: queries, outputs: d))

    let normed2 = rmsNorm(
      middle, weight: parameter(Name.postAttentionNorm(layer)), epsilon: c.epsilon)
    let gate = linear(normed2, parameter(Name.gate(layer)), inputs: d, outputs: c.dFF)
    let up = linear(normed2, parameter(Name.up(layer)), inputs: d, outputs: c.dFF)
    let activated = swiGLU(gate: gate, up: up)
    trace.layers.append(
      LayerTrace(
        x: x, normed1: normed1, q: q, k: k, v: v, probabilities: probabilities, o: o,
        middle: middle, normed2: normed2, gate: gate, up: up, activated: activated))
    return sum(middle, linear(activated, parameter(Name.down(layer)), inputs: c.dFF, outputs: d))
  }

  // MARK: Backward

  /// Adds one sequence's gradients, from `dLogits` `[n, vocab]` down to the embedding.
  func backward(
    _ dLogits: [Double], _ trace: Trace, tokens: [Int], rows: GradientRows,
    into gradients: inout [String: [Double]]
  ) {
    let (d, vocab) = (configuration.dModel, configuration.vocab)
    let dNormed = linearBackward(
      dLogits, x: trace.normed, parameter(configuration.headName), inputs: d, outputs: vocab,
      rows: rows, into: &gradients[configuration.headName, default: []])
    var dx = rmsNormBackward(  // [n, d]
      dNormed, x: trace.x, weight: parameter(Name.finalNorm), epsilon: configuration.epsilon,
      rows: rows, into: &gradients[Name.finalNorm, default: []])
    for layer in (0..<configuration.layers).reversed() {
      dx = backward(layer: layer, dx, trace.layers[layer], rows: rows, into: &gradients)
    }
    for row in rows.counted {
      for i in 0..<d {
        gradients[Name.embedding, default: []][tokens[row] * d + i] += dx[row * d + i]
      }
    }
  }

  /// Takes the gradient of a layer's output `[n, d]` to that of its input, adding the weights'.
  private func backward(
    layer: Int, _ dOut: [Double], _ trace: LayerTrace, rows: GradientRows,
    into gradients: inout [String: [Double]]
  ) -> [Double] {
    let c = configuration
    let (d, queries, keys) = (c.dModel, c.heads * c.dHead, c.kvHeads * c.dHead)

    func linearBackward(
      _ dy: [Double], x: [Double], _ name: String, inputs: Int, outputs: Int
    ) -> [Double] {
      TestSupport.linearBackward(
        dy, x: x, parameter(name), inputs: inputs, outputs: outputs, rows: rows,
        into: &gradients[name, default: []])
    }
    func rmsNormBackward(_ dy: [Double], x: [Double], _ name: String) -> [Double] {
      TestSupport.rmsNormBackward(
        dy, x: x, weight: parameter(name), epsilon: c.epsilon, rows: rows,
        into: &gradients[name, default: []])
    }

    // out = middle + W_down activated
    let dActivated = linearBackward(  // [n, d_ff]
      dOut, x: trace.activated, Name.down(layer), inputs: c.dFF, outputs: d)
    let (dGate, dUp) = swiGLUBackward(dActivated, gate: trace.gate, up: trace.up)
    let dNormed2 = sum(  // [n, d]
      linearBackward(dGate, x: trace.normed2, Name.gate(layer), inputs: d, outputs: c.dFF),
      linearBackward(dUp, x: trace.normed2, Name.up(layer), inputs: d, outputs: c.dFF))
    let dMiddle = sum(  // [n, d]
      dOut, rmsNormBackward(dNormed2, x: trace.middle, Name.postAttentionNorm(layer)))

    // middle = x + W_O o
    let dO = linearBackward(  // [n, heads, d_head]
      dMiddle, x: trace.o, Name.o(layer), inputs: queries, outputs: d)
    let (dQRotated, dKRotated, dV) = attentionBackward(
      dO, q: trace.q, k: trace.k, v: trace.v, probabilities: trace.probabilities,
      heads: c.heads, kvHeads: c.kvHeads, dHead: c.dHead, rows: rows)
    let dQ = rotate(dQRotated, heads: c.heads, frequencies: c.frequencies, direction: -1)
    let dK = rotate(dKRotated, heads: c.kvHeads, frequencies: c.frequencies, direction: -1)
    let dNormed1 = sum(  // [n, d]
      linearBackward(dQ, x: trace.normed1, Name.q(layer), inputs: d, outputs: queries),
      sum(
        linearBackward(dK, x: trace.normed1, Name.k(layer), inputs: d, outputs: keys),
        linearBackward(dV, x: trace.normed1, Name.v(layer), inputs: d, outputs: keys)))
    return sum(dMiddle, rmsNormBackward(dNormed1, x: trace.x, Name.inputNorm(layer)))
  }
}
