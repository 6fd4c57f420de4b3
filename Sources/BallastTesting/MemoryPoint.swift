import Measurement
import Retention
import Transformer
import Values

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

  /// A value of an axis whose values are words; those of common axes have names here.
  ///
  /// A word that its axis does not have is an issue of the expectation that measures the point.
  public struct Word: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { rawValue = value }

    /// Mode: every row of every layer is recorded.
    public static let fullGraph: Self = "full-graph"
    /// Mode: exact; what no loss row can reach is neither recorded nor computed.
    public static let prunedGraph: Self = "pruned-graph"
    /// Mode: biased; the prefix runs without a graph, its keys and values stay as constants.
    public static let detachedPrefix: Self = "detached-prefix"
    /// Mode: exact; the prefix runs without a graph, and again in chunks to take in its gradients.
    public static let replayedPrefix: Self = "replayed-prefix"
    /// Recompute: nothing.
    public static let none: Self = "none"
    /// Recompute: norms, activation functions and products of elements.
    public static let elementwise: Self = "elementwise"
    /// Recompute: the attention core.
    public static let attention: Self = "attention"
    /// Recompute: whole layers, from their inputs.
    public static let layer: Self = "layer"
    /// Attention: the probabilities of all rows against all keys are saved.
    public static let materialized: Self = "materialized"
    /// Attention: output and log-sum-exp are saved.
    public static let fused: Self = "fused"
    /// Head: logits for all rows, by habit.
    public static let allRows: Self = "all-rows"
    /// Head: logits for those that carry loss.
    public static let lossRows: Self = "loss-rows"
    /// Head: logits for those that carry loss, some at a time.
    public static let chunked: Self = "chunked"
    /// Loss rows: row t − 1 predicts token t, so the last prefix row carries loss.
    public static let nextToken: Self = "next-token"
    /// Loss rows: every generated row predicts the token after it.
    public static let generated: Self = "generated"
    /// Dtype: four bytes a number.
    public static let float32: Self = "float32"
    /// Dtype: two bytes a number; statistics, losses and gradients stay float32.
    public static let bfloat16: Self = "bfloat16"
    /// Dtype: two bytes a number, on backend shape alone.
    public static let float16: Self = "float16"
    /// Backend: computed and measured.
    public static let cpu: Self = "cpu"
    /// Backend: counted on shapes alone, the same bytes in no time, without a gradient error.
    public static let shape: Self = "shape"
  }

  /// Which model takes the step.
  public var model: Model
  /// What was set, by axis; what was not has the default.
  private var texts: [String: String] = [:]

  /// The value of any axis, as `ballast measure` and profiles spell it: `point["n_c"] = "512"`.
  ///
  /// An axis that does not exist, or a value that it does not have, is an issue of the expectation
  /// that measures the point.
  ///
  /// - Parameter axis: The axis's name.
  public subscript(axis: String) -> String {
    get { texts[axis] ?? PointAxis.find(axis)?.standard.text ?? "" }
    set { texts[axis] = newValue }
  }

  /// Describes a step in `full-graph` with the default of every axis.
  ///
  /// - Parameters:
  ///   - model: Which model takes the step.
  ///   - prefix: Prefix tokens, `n_c`.
  ///   - generated: Generated tokens, `n_g`.
  public init(model: Model, prefix: Int, generated: Int) {
    self.model = model
    (self.prefix, self.generated) = (prefix, generated)
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

// MARK: Common axes

extension MemoryPoint {
  /// Prefix tokens `n_c`, which carry no loss.
  public var prefix: Int {
    get { Int(self["n_c"]) ?? 0 }
    set { self["n_c"] = String(newValue) }
  }
  /// Generated tokens `n_g`, which carry loss.
  public var generated: Int {
    get { Int(self["n_g"]) ?? 0 }
    set { self["n_g"] = String(newValue) }
  }
  /// Sequences at a time.
  public var batch: Int {
    get { Int(self["batch"]) ?? 0 }
    set { self["batch"] = String(newValue) }
  }
  /// How the prefix takes part.
  public var mode: Word {
    get { Word(rawValue: self["mode"]) }
    set { self["mode"] = newValue.rawValue }
  }
  /// Last prefix rows that `detached-prefix` leaves in the graph.
  public var keepPrefix: Int {
    get { Int(self["keep_prefix"]) ?? 0 }
    set { self["keep_prefix"] = String(newValue) }
  }
  /// Prefix rows that run at a time without a graph.
  public var chunk: Int {
    get { Int(self["chunk"]) ?? 0 }
    set { self["chunk"] = String(newValue) }
  }
  /// What backward computes again.
  public var recompute: Word {
    get { Word(rawValue: self["recompute"]) }
    set { self["recompute"] = newValue.rawValue }
  }
  /// What attention saves.
  public var attention: Word {
    get { Word(rawValue: self["attention"]) }
    set { self["attention"] = newValue.rawValue }
  }
  /// Rows that get logits.
  public var head: Word {
    get { Word(rawValue: self["head"]) }
    set { self["head"] = newValue.rawValue }
  }
  /// Rows that carry loss.
  public var lossRows: Word {
    get { Word(rawValue: self["loss_rows"]) }
    set { self["loss_rows"] = newValue.rawValue }
  }
  /// Type of activations and parameters; nil: the configuration's own, or else float32.
  public var dtype: Word? {
    get { texts["dtype"].map(Word.init(rawValue:)) }
    set { texts["dtype"] = newValue?.rawValue }
  }
  /// Regular expression over the names of trained parameters; empty: all.
  public var trainable: String {
    get { self["trainable"] }
    set { self["trainable"] = newValue }
  }
  /// Dropout probability (gpt2 models).
  public var dropout: Double {
    get { Double(self["dropout"]) ?? 0 }
    set { self["dropout"] = String(newValue) }
  }
  /// Where the step runs.
  public var backend: Word {
    get { Word(rawValue: self["backend"]) }
    set { self["backend"] = newValue.rawValue }
  }
  /// Seed of parameters and tokens.
  public var seed: UInt64 {
    get { UInt64(self["seed"]) ?? 0 }
    set { self["seed"] = String(newValue) }
  }
}

extension MemoryPoint {
  /// The checked point.
  ///
  /// - Throws: One sentence on what cannot be.
  func planned() throws -> PlannedPoint {
    var request = PointRequest(model: try namedModel())
    for (name, text) in texts {
      let names = PointAxis.all.map(\.name).filter { $0 != "model" }
      guard names.contains(name) else {
        throw ValueError("axis", WrittenText(name), WordFault(known: names))
      }
      try request.settings.set(name, text)
    }
    let planned = try request.planned(standsAlone: true)
    try Checkpoints().check(planned)
    return planned
  }

  private func namedModel() throws -> NamedModel {
    switch model {
    case .named(let name): return try ModelSource.resolve(name)
    case .configuration(let path):
      return try ModelSource.resolve(path.contains("/") ? path : "./\(path)")
    case .sizes(let layers, let dModel, let heads, let kvHeads, let dFF, let vocab):
      return NamedModel(
        custom: "custom",
        configuration: DecoderConfiguration(
          layers: layers, dModel: dModel, heads: heads, kvHeads: kvHeads, dFF: dFF, vocab: vocab))
    }
  }
}
