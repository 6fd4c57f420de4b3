import Measurement
import Ledger
import Profiles
import Retention
import Tensors
import Testing

/// `profiles/seed.yaml`'s ledger, row for row, from the formulas alone.
///
/// One layer of width 64, 4 heads of 16, d_ff 172, vocabulary 256; 4 prefix and 4 generated tokens.
@Suite struct SeedLedgerTests {
  private static func rows(mode: String, attention: String) throws -> [String] {
    let text = """
      model: seed
      n_c: 4
      n_g: 4
      loss_rows: generated
      attention: \(attention)
      mode: \(mode)
      """
    let planned = try #require(try Profile(text: text, file: "p.yaml").points.first)
    let step = try TrainingStep(planned.point, on: .shapes(sizeClass: { $0 }))
    return try step.run().saved.map { storage in
      let shape = storage.description.shape.map(String.init).joined(separator: "x")
      let savers = storage.savers.map { saver in
        let layer = saver.scope.layer.map { "\($0)." } ?? ""
        let gradients = saver.neededFor.joined(separator: " ")
        return "\(layer)\(saver.scope.name):\(saver.tensor) → \(gradients)"
      }
      return "\(shape) " + savers.joined(separator: ", ")
    }
  }

  /// Rows of `r` recorded tokens before attention. With x̂ = x · rstd:
  private static func attentionInputs(_ r: Int) -> [String] {
    [
      // y = w ∘ x̂: dw = Σ dy ∘ x̂; dx = rstd · (w ∘ dy − x̂ · mean(w ∘ dy ∘ x̂)): both need x, rstd.
      "1x\(r)x64 0.attention_norm:input → norm dhidden",
      "1x\(r) 0.attention_norm:rstd → norm dhidden",
      // q = y W_Qᵀ: ∂L/∂W_Q = Σ dqᵀ y; the same y for W_K and W_V.
      "1x\(r)x64 0.q_proj:input → W_Q, 0.k_proj:input → W_K, 0.v_proj:input → W_V",
    ]
  }

  /// S = scale · q kᵀ, P = softmax(S), O = P v:
  /// dv = Pᵀ dO; dP = dO vᵀ; dS = scale · P ∘ (dP − D), D = rowsum(P ∘ dP); dq = dS k; dk = dSᵀ q.
  private static func materialized(_ r: Int) -> [String] {
    [
      "1x\(r)x64 0.attention:q → dk",  // dk = dSᵀ q
      "1x8x64 0.attention:k → dq",  // dq = dS k, against the prefix's keys too
      "1x8x64 0.attention:v → dq dk",  // dP = dO vᵀ in dS
      "1x4x\(r)x8 0.attention:probabilities → dq dk dv",  // dS, and dv = Pᵀ dO
      "1x\(r)x64 0.o_proj:input → W_O",  // ∂L/∂W_O = Σ dhiddenᵀ O
    ]
  }

  /// P is made again, exp(scale · q kᵀ − lse), so that q, k and lse are read for all three; and
  /// D = rowsum(dO ∘ O), so that O is read for dS.
  private static func fused(_ r: Int) -> [String] {
    [
      "1x\(r)x64 0.attention:q → dq dk dv",
      "1x8x64 0.attention:k → dq dk dv",
      "1x8x64 0.attention:v → dq dk",  // dP = dO vᵀ in dS
      // D in dS; and ∂L/∂W_O = Σ dhiddenᵀ O.
      "1x\(r)x64 0.attention:output → dq dk, 0.o_proj:input → W_O",
      "1x4x\(r) 0.attention:log_sum_exp → dq dk dv",
    ]
  }

  /// Rows after attention; 4 of them carry loss.
  private static func rest(_ r: Int) -> [String] {
    [
      // As the first norm.
      "1x\(r)x64 0.mlp_norm:input → norm dhidden",
      "1x\(r) 0.mlp_norm:rstd → norm dhidden",
      // gate = y W_gateᵀ, up = y W_upᵀ: ∂L/∂W = Σ dgateᵀ y, Σ dupᵀ y.
      "1x\(r)x64 0.gate_proj:input → W_gate, 0.up_proj:input → W_up",
      // a = silu(gate) ∘ up: dgate = da ∘ up ∘ silu′(gate), dup = da ∘ silu(gate).
      "1x\(r)x172 0.swiglu:gate → dgate dup",
      "1x\(r)x172 0.swiglu:up → dgate",
      // ∂L/∂W_down = Σ dhiddenᵀ a.
      "1x\(r)x172 0.down_proj:input → W_down",
      // As the first norm, over the rows with loss.
      "1x4x64 final_norm:input → norm dloss_rows",
      "1x4 final_norm:rstd → norm dloss_rows",
      // ∂L/∂U = Σ dlogitsᵀ y.
      "1x4x64 head:input → U",
      // dlogits = (exp(logits − lse) − onehot) / 4.
      "1x4x256 cross_entropy:logits → dlogits",
      "1x4 cross_entropy:log_sum_exp → dlogits",
    ]
  }

  /// Full-graph records 8 rows, detached-prefix the 4 generated ones; keys and values are all 8 rows'.
  @Test(arguments: [("full-graph", 8), ("detached-prefix", 4)])
  func `materialized attention keeps what the formulas read`(mode: String, rows: Int) throws {
    #expect(
      try Self.rows(mode: mode, attention: "materialized")
        == Self.attentionInputs(rows) + Self.materialized(rows) + Self.rest(rows))
  }

  @Test(arguments: [("full-graph", 8), ("detached-prefix", 4)])
  func `fused attention keeps what the formulas read`(mode: String, rows: Int) throws {
    #expect(
      try Self.rows(mode: mode, attention: "fused")
        == Self.attentionInputs(rows) + Self.fused(rows) + Self.rest(rows))
  }
}
