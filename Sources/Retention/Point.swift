package import Tensors
package import Transformer

/// One measurement: a model, and a value on every axis.
///
/// Sequence positions are `0..<n`; the prefix is `0..<nC`, generated tokens are `nC..<n`. What each
/// axis is called, can be and goes with is in `PointAxis.all`; the values here are the defaults.
package struct Point: Hashable, Sendable {
  /// The name that results carry.
  package var modelName: String
  package var model: DecoderConfiguration
  package var mode = Mode.fullGraph
  /// Rows that a prefix without a graph runs at a time, and loss rows with logits under `chunked`.
  package var chunk = 256
  package var recompute = Recompute.none
  package var attention = AttentionMemory.fused
  package var head = HeadKind.lossRows
  package var lossRows = LossRows.nextToken
  package var dtype = DType.float32
  /// Regular expression over parameter names; the others are frozen. Empty: all are trained.
  package var trainable = ""
  package var dropout = 0.0
  package var optimizer = Optimizer.none
  package var recipe = Recipe.ballast
  package var backend = BackendKind.cpu
  /// Threads that compute.
  package var threads = 1
  package var batch = 1
  /// Prefix tokens.
  package var nC: Int
  /// Generated tokens.
  package var nG: Int
  package var seed: UInt64 = 0

  package init(modelName: String, model: DecoderConfiguration, nC: Int, nG: Int) {
    (self.modelName, self.model, self.nC, self.nG) = (modelName, model, nC, nG)
  }

  /// Tokens that the layers see, n = n_c + n_g.
  package var n: Int { nC + nG }

  /// Tokens of one sequence that the step reads: n, and one more label for `generated` rows.
  package var tokensPerSequence: Int { lossRows == .generated ? n + 1 : n }

  /// Whether a parameter is trained, by its Hugging Face name; nil if all are.
  ///
  /// - Throws: `PointError` if `trainable` is not a regular expression.
  func trainablePattern() throws(PointError) -> ((String) -> Bool)? {
    guard !trainable.isEmpty else { return nil }
    return try ParameterPattern(trainable).isFound(in:)
  }
}
