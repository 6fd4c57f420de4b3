/// A naive double-precision decoder with hand-written gradients: the oracle for the real program.
///
/// It is a Llama-type pre-norm decoder, written from the formulas as loops over arrays, one
/// sequence at a time, and shares no code with the modules that it judges.
///
/// ```
///   x = E[tokens]                                            [n, d]
///   each layer:
///     x̂  = rmsNorm(x; w₁)                                    [n, d]
///     q, k, v = W_Q x̂, W_K x̂, W_V x̂; q and k rotated         [n, heads or kv_heads, d_head]
///     o  = softmax(q·k / √d_head over keys ≤ row) v          [n, heads, d_head]
///     x += W_O o
///     x̂₂ = rmsNorm(x; w₂)
///     x += W_down(silu(W_gate x̂₂) ∘ W_up x̂₂)
///   logits = U rmsNorm(x; w)                                 [n, vocab]
///   loss = the mean of −log softmax(logits)[label] over loss rows and sequences
/// ```
///
/// Matrices are `[out, in]`, row-major, under Hugging Face's Llama names. Angles are taken in
/// double precision; a float32 program differs by about 1e-7 · position.
package struct ReferenceDecoder {
  package let configuration: Configuration
  /// Row-major values by Hugging Face name.
  package var parameters: [String: [Double]]

  /// Creates a decoder from all the parameters that `configuration.parameterShapes` lists.
  package init(_ configuration: Configuration, parameters: [String: [Double]]) {
    for (name, shape) in configuration.parameterShapes {
      let count = shape.reduce(1, *)
      precondition(parameters[name]?.count == count, "\(name) needs \(count) values")
    }
    self.configuration = configuration
    self.parameters = parameters
  }

  /// The same with every weight moved by one rounding of float32, up or down.
  package func moved(seed: UInt64) -> ReferenceDecoder {
    var moved = self
    var generator = SplitMix64(seed: seed)
    for name in parameters.keys.sorted() {
      moved.parameters[name] = parameters[name]?.map {
        $0 * (1 + (Bool.random(using: &generator) ? 0x1p-24 : -0x1p-24))
      }
    }
    return moved
  }

  /// Which rows carry loss; see DESIGN §1.
  package enum LossRows: Sendable {
    /// Rows `n_c − 1 … n − 2` (`0 … n − 2` without a prefix), each predicting the next token.
    case nextToken
    /// Rows `n_c … n − 1`, each predicting the next token: `n + 1` tokens are given.
    case generated
  }

  /// The sequences of one step, all of one length, and which of their rows carry loss.
  package struct Batch: Sendable {
    /// `[batch][n]` for `nextToken`, `[batch][n + 1]` for `generated`.
    package var tokens: [[Int]]
    /// The prefix length `n_c`.
    package var prefixLength: Int
    package var lossRows: LossRows

    package init(tokens: [[Int]], prefixLength: Int, lossRows: LossRows) {
      precondition(!tokens.isEmpty && tokens.allSatisfy { $0.count == tokens[0].count })
      self.tokens = tokens
      self.prefixLength = prefixLength
      self.lossRows = lossRows
      precondition(prefixLength >= 0 && !rowsWithLoss.isEmpty, "no row carries loss")
    }

    /// The rows that the model computes, `n`.
    package var rows: Int { lossRows == .generated ? tokens[0].count - 1 : tokens[0].count }

    /// The rows that carry loss; row `r` predicts token `r + 1`.
    package var rowsWithLoss: Range<Int> {
      switch lossRows {
      case .nextToken:
        let first = max(prefixLength - 1, 0)
        return first..<max(rows - 1, first)
      case .generated:
        return prefixLength..<max(rows, prefixLength)
      }
    }
  }

  /// What a training step gives.
  package struct Step {
    package var loss: Double
    /// The gradient of each parameter, under its name; a tied head is part of the embedding.
    package var gradients: [String: [Double]]

    package init(loss: Double, gradients: [String: [Double]]) {
      (self.loss, self.gradients) = (loss, gradients)
    }
  }

  /// The loss alone.
  package func loss(of batch: Batch) -> Double {
    loss(of: batch) { forward($0) }
  }

  /// The loss where keys and values of rows before `cut` are those of another decoder.
  ///
  /// With `base` held fixed this is the function whose gradient `step(on:cut:)` takes.
  package func loss(of batch: Batch, cut: Int, prefixFrom base: ReferenceDecoder) -> Double {
    loss(of: batch) { tokens in
      let frozen = base.forward(tokens).layers.map { KeysAndValues(k: $0.k, v: $0.v) }
      return forward(tokens, frozen: frozen, cut: cut)
    }
  }

  /// The logits of every row, `[batch][n · vocab]`.
  package func logits(of batch: Batch) -> [[Double]] {
    batch.tokens.map { forward(Array($0.prefix(batch.rows))).logits }
  }

  /// The loss and its gradients.
  ///
  /// - Parameters:
  ///   - batch: The sequences.
  ///   - cut: Rows before it are detached: their keys and values are constants in every layer and
  ///     nothing flows through them, as if they had run under `no_grad` into a cache.
  ///   - rows: Only what these rows add to a weight's gradient is summed, the signals that reach
  ///     them staying exact; nil for all rows. Parts over disjoint ranges sum to the whole.
  /// - Returns: The mean loss, and a gradient for every parameter, zero where nothing reaches it.
  package func step(on batch: Batch, cut: Int = 0, rows: Range<Int>? = nil) -> Step {
    precondition(cut >= 0 && cut <= batch.rowsWithLoss.lowerBound, "the cut detaches a loss row")
    let live = cut..<batch.rows
    let gradientRows = GradientRows(live: live, counted: (rows ?? live).clamped(to: live))
    var step = Step(loss: 0, gradients: parameters.mapValues { $0.map { _ in 0 } })
    for sequence in batch.tokens {
      let tokens = Array(sequence.prefix(batch.rows))
      let trace = forward(tokens)
      // Each sequence's share of the mean over loss rows × batch.
      let (loss, dLogits) = crossEntropy(
        trace.logits, labels: sequence, rows: batch.rowsWithLoss, vocab: configuration.vocab,
        divisor: batch.rowsWithLoss.count * batch.tokens.count)
      step.loss += loss
      backward(dLogits, trace, tokens: tokens, rows: gradientRows, into: &step.gradients)
    }
    return step
  }

  private func loss(of batch: Batch, forward: ([Int]) -> Trace) -> Double {
    var total = 0.0
    for sequence in batch.tokens {
      total +=
        crossEntropy(
          forward(Array(sequence.prefix(batch.rows))).logits, labels: sequence,
          rows: batch.rowsWithLoss, vocab: configuration.vocab,
          divisor: batch.rowsWithLoss.count * batch.tokens.count
        ).loss
    }
    return total
  }

  /// A parameter that must be there.
  func parameter(_ name: String) -> [Double] {
    guard let values = parameters[name] else { preconditionFailure("no parameter \(name)") }
    return values
  }
}

/// The rows that a backward pass goes through.
struct GradientRows {
  /// Rows from the cut on: gradients flow through these alone.
  var live: Range<Int>
  /// The live rows whose contributions to weight gradients are summed.
  var counted: Range<Int>
}
