import Files
import Measurement
import Retention
import Tensors
import Transformer

/// One training step to measure: a model, tokens, and a value on every axis.
///
/// The axes and their words are those of `ballast measure`; what is not set has the same default.
///
/// ```swift
/// var point = MemoryPoint(model: .named("llama-3.2-1b"), prefix: 4096, generated: 256)
/// point.mode = .detachedPrefix
/// point.backend = .shape
/// ```
public struct MemoryPoint: Hashable, Sendable {
  /// Which model takes the step.
  public enum Model: Hashable, Sendable {
    /// A built-in model, such as `gpt2` or `llama-3.2-1b`.
    case named(String)
    /// A Hugging Face `config.json`, or a directory holding one and perhaps weights.
    case configuration(path: String)
    /// A llama-like decoder of one's own sizes; `kvHeads` nil: as many as `heads`.
    case sizes(layers: Int, dModel: Int, heads: Int, kvHeads: Int?, dFF: Int, vocab: Int)
  }

  /// How the prefix takes part in the step.
  public enum Mode: String, CaseIterable, Sendable {
    /// Every row of every layer is recorded.
    case fullGraph = "full-graph"
    /// Exact; what no loss row can reach is neither recorded nor computed.
    case prunedGraph = "pruned-graph"
    /// Biased; the prefix runs without a graph, its keys and values stay as constants.
    case detachedPrefix = "detached-prefix"
    /// Exact; the prefix runs without a graph, and again in chunks to take in its gradients.
    case replayedPrefix = "replayed-prefix"
  }

  /// What backward computes again rather than keeps.
  public enum Recompute: String, CaseIterable, Sendable {
    /// Nothing.
    case none
    /// Norms, activation functions and products of elements.
    case elementwise
    /// The attention core.
    case attention
    /// Whole layers, from their inputs.
    case layer
  }

  /// What the attention core saves.
  public enum Attention: String, CaseIterable, Sendable {
    /// The probabilities of all rows against all keys.
    case materialized
    /// Output and log-sum-exp.
    case fused
  }

  /// For which rows logits are made.
  public enum Head: String, CaseIterable, Sendable {
    /// All of them, by habit.
    case allRows = "all-rows"
    /// Those that carry loss.
    case lossRows = "loss-rows"
    /// Those that carry loss, some at a time.
    case chunked
  }

  /// Which rows carry loss.
  public enum LossRows: String, CaseIterable, Sendable {
    /// Row t − 1 predicts token t, so the last prefix row carries loss.
    case nextToken = "next-token"
    /// Every generated row predicts the token after it.
    case generated
  }

  /// The type of activations and parameters.
  public enum DType: String, CaseIterable, Sendable {
    /// Four bytes a number.
    case float32
    /// Two bytes a number; statistics, losses and gradients stay float32.
    case bfloat16
  }

  /// Where the step runs.
  public enum Backend: String, CaseIterable, Sendable {
    /// Computed and measured.
    case cpu
    /// Counted on shapes alone: the same bytes in no time, without a gradient error.
    case shape
  }

  /// Which model takes the step.
  public var model: Model
  /// Prefix tokens `n_c`, which carry no loss.
  public var prefix: Int
  /// Generated tokens `n_g`, which carry loss.
  public var generated: Int
  /// Sequences at a time.
  public var batch = 1
  /// How the prefix takes part.
  public var mode = Mode.fullGraph
  /// Last prefix rows that `detached-prefix` leaves in the graph.
  public var keepPrefix = 0
  /// Prefix rows that run at a time without a graph.
  public var chunk = 256
  /// What backward computes again.
  public var recompute = Recompute.none
  /// What attention saves.
  public var attention = Attention.fused
  /// Rows that get logits.
  public var head = Head.lossRows
  /// Rows that carry loss.
  public var lossRows = LossRows.nextToken
  /// Type of activations and parameters; nil: the configuration's own, or else float32.
  public var dtype: DType?
  /// Regular expression over the names of trained parameters; empty: all.
  public var trainable = ""
  /// Dropout probability (gpt2 models).
  public var dropout = 0.0
  /// Where the step runs.
  public var backend = Backend.cpu
  /// Seed of parameters and tokens.
  public var seed: UInt64 = 0

  /// Describes a step in `full-graph` with the default of every axis.
  ///
  /// - Parameters:
  ///   - model: Which model takes the step.
  ///   - prefix: Prefix tokens, `n_c`.
  ///   - generated: Generated tokens, `n_g`.
  public init(model: Model, prefix: Int, generated: Int) {
    self.model = model
    self.prefix = prefix
    self.generated = generated
  }

  /// A point with some axes set to other values.
  ///
  /// - Parameter change: Sets the axes.
  /// - Returns: The changed copy.
  public func with(_ change: (inout MemoryPoint) -> Void) -> MemoryPoint {
    var copy = self
    change(&copy)
    return copy
  }
}

extension MemoryPoint {
  /// The checked point.
  ///
  /// - Throws: One sentence on what cannot be.
  func planned() throws -> PlannedPoint {
    var request = PointRequest(model: try namedModel(), nC: prefix, nG: generated)
    request.dtype = try dtype.map { (dtype) throws(ValueError) in
      try Tensors.DType(word: dtype.rawValue, axis: "dtype")
    }
    request.point.batch = batch
    request.point.mode = try Retention.Mode(word: mode.rawValue, axis: "mode")
    request.point.keepPrefix = keepPrefix
    request.point.chunk = chunk
    request.point.recompute = try Retention.Recompute(
      word: recompute.rawValue, axis: "recompute")
    request.point.attention = try AttentionKind(word: attention.rawValue, axis: "attention")
    request.point.head = try HeadKind(word: head.rawValue, axis: "head")
    request.point.lossRows = try Retention.LossRows(word: lossRows.rawValue, axis: "loss_rows")
    request.point.trainable = trainable
    request.point.dropout = dropout
    request.point.backend = try BackendKind(word: backend.rawValue, axis: "backend")
    request.point.seed = seed
    let planned = try request.planned()
    try Checkpoints().check(planned)
    return planned
  }

  private func namedModel() throws -> NamedModel {
    switch model {
    case .named(let name): return try ModelSource.resolve(name)
    case .configuration(let path):
      return try ModelSource.resolve(path.contains("/") ? path : "./\(path)")
    case .sizes(let layers, let dModel, let heads, let kvHeads, let dFF, let vocab):
      var sizes = ModelSizes()
      sizes.layers = layers
      sizes.dModel = dModel
      sizes.heads = heads
      sizes.kvHeads = kvHeads
      sizes.dFF = dFF
      sizes.vocab = vocab
      let base = DecoderConfiguration(dModel: 1, heads: 1, dFF: 1, vocab: 1)
      return NamedModel(custom: "custom", configuration: sizes.applied(to: base))
    }
  }
}
