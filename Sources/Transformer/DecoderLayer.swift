import Autograd
package import Tensors

/// The keys and values of one layer, `[batch, tokens 0…n-1, kvHeads · d_head]` each.
///
/// Rows are written once, where they stay: nothing is concatenated.
package struct KeyValues {
  package let k: Tensor
  package let v: Tensor
}

/// One pre-norm layer: `x + W_O attention(norm x)`, then `x + W_down swiglu(norm x)`.
package struct DecoderLayer {
  let configuration: DecoderConfiguration
  let index: Int
  let attentionNorm: Parameter
  let wQ: Parameter
  let wK: Parameter
  let wV: Parameter
  let wO: Parameter
  let mlpNorm: Parameter
  let wGate: Parameter
  let wUp: Parameter
  let wDown: Parameter

  /// All rows of `x` through the layer; `kv` holds earlier rows and receives these.
  func callAsFunction(
    _ x: Variable, kv: KeyValues, memory: AttentionMemory, on tape: Tape
  ) throws -> Variable {
    tape.layer = index
    defer { tape.layer = nil }
    let y = try attend(x, kv: kv, memory: memory, on: tape)  // [batch, tokens, d_model]
    return try tape.add(y, mlp(y, on: tape))
  }

  /// What the rows of `x` leave to later rows: their keys and values, and nothing else.
  func writeKeysAndValues(_ x: Variable, into kv: KeyValues, on tape: Tape) throws {
    tape.layer = index
    defer { tape.layer = nil }
    let normed = try norm(x, attentionNorm, op: "attention_norm", on: tape)
    _ = try keys(normed, into: kv, on: tape)
    _ = try values(normed, into: kv, on: tape)
  }

  /// `x + W_O attention(norm x)`.
  private func attend(
    _ x: Variable, kv: KeyValues, memory: AttentionMemory, on tape: Tape
  ) throws -> Variable {
    let o = try attention(x, kv: kv, memory: memory, on: tape)  // [batch, tokens, heads · d_head]
    return try tape.add(x, tape.linear(o, wO, op: "o_proj", as: "hidden"))
  }

  private func attention(
    _ x: Variable, kv: KeyValues, memory: AttentionMemory, on tape: Tape
  ) throws -> Variable {
    let normed = try norm(x, attentionNorm, op: "attention_norm", on: tape)
    let q = try tape.rotate(
      tape.linear(normed, wQ, op: "q_proj", as: "q"), dHead: configuration.dHead,
      frequencies: configuration.rotaryFrequencies, op: "q_rotary")
    let seen = 0..<x.value.shape[1].positions.upperBound
    let k = try keys(normed, into: kv, on: tape)
    let v = try values(normed, into: kv, on: tape)
    return try tape.attention(
      q: q, k: Variable(kv.k.at(positions: seen), gradient: k.gradient),
      v: Variable(kv.v.at(positions: seen), gradient: v.gradient),
      geometry: HeadGeometry(
        heads: configuration.heads, kvHeads: configuration.kvHeads, dHead: configuration.dHead),
      memory: memory)
  }

  private func keys(_ normed: Variable, into kv: KeyValues, on tape: Tape) throws -> Variable {
    let rows = normed.value.shape[1].positions
    return try tape.rotate(
      tape.linear(normed, wK, op: "k_proj", as: "k", into: kv.k.at(positions: rows)),
      dHead: configuration.dHead, frequencies: configuration.rotaryFrequencies, op: "k_rotary")
  }

  private func values(_ normed: Variable, into kv: KeyValues, on tape: Tape) throws -> Variable {
    let rows = normed.value.shape[1].positions
    return try tape.linear(normed, wV, op: "v_proj", as: "v", into: kv.v.at(positions: rows))
  }

  /// `W_down (silu(W_gate norm y) · W_up norm y)`.
  private func mlp(_ y: Variable, on tape: Tape) throws -> Variable {
    let activation = try gated(y, on: tape)  // [batch, tokens, d_ff]
    return try tape.linear(activation, wDown, op: "down_proj", as: "hidden")
  }

  private func gated(_ y: Variable, on tape: Tape) throws -> Variable {
    let normed = try norm(y, mlpNorm, op: "mlp_norm", on: tape)
    let gate = try tape.linear(normed, wGate, op: "gate_proj", as: "gate")
    let up = try tape.linear(normed, wUp, op: "up_proj", as: "up")
    return try tape.swiGLU(gate: gate, up: up)
  }

  private func norm(
    _ x: Variable, _ weight: Parameter, op: String, on tape: Tape
  ) throws -> Variable {
    try tape.rmsNorm(x, weight, epsilon: configuration.normEpsilon, op: op)
  }
}
