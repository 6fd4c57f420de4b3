import ArgumentParser
import Files
import Foundation
import Measurement
import Retention
import Tensors
import Threading
import Transformer

/// The options of a point; they are the same words as a profile's keys.
struct PointOptions: ParsableArguments {
  @Option(
    help: """
      A built-in model (\(ModelSource.names.joined(separator: ", "))), a Hugging Face config.json, \
      or a directory holding one and perhaps model.safetensors.
      """)
  var model: String?
  @Option(
    help: ArgumentHelp(
      """
      Weights of the model: a safetensors file, an index of shards, or a directory with either \
      (default: those in the model's directory, or else drawn from the seed).
      """, valueName: "file.safetensors"))
  var weights: String?
  @Option(
    help: ArgumentHelp(
      """
      Tokens: an object {"tokens": [...]} with a list of numbers, or with one such list a sequence; \
      the first n_c + n_g of each are read, and one more for loss rows generated (default: drawn \
      from the seed).
      """, valueName: "file.json"))
  var tokens: String?
  @OptionGroup(title: "Model Sizes") var sizes: ModelSizeOptions

  @Option(parsing: .unconditional, help: "Prefix tokens, which carry no loss.")
  var nC: Int?
  @Option(parsing: .unconditional, help: "Generated tokens, which carry loss.")
  var nG: Int?
  @Option(parsing: .unconditional, help: "Sequences at a time.")
  var batch = 1
  @Option(help: "How the prefix takes part: \(Mode.words.joined(separator: ", ")).")
  var mode = Mode.fullGraph.rawValue
  @Option(
    parsing: .unconditional, help: "Last prefix rows that detached-prefix leaves in the graph.")
  var keepPrefix = 0
  @Option(
    parsing: .unconditional,
    help: """
      Rows at a time: of a prefix that runs without a graph, and of the loss rows with head \
      chunked.
      """)
  var chunk = 256
  @Option(help: "What backward computes again: \(Recompute.words.joined(separator: ", ")).")
  var recompute = Recompute.none.rawValue
  @Option(help: "What attention saves: \(AttentionKind.words.joined(separator: ", ")).")
  var attention = AttentionKind.fused.rawValue
  @Option(
    help: """
      Rows that get logits: \(HeadKind.words.joined(separator: ", ")), which is the loss rows, \
      some at a time.
      """)
  var head = HeadKind.lossRows.rawValue
  @Option(
    help: """
      Type in which replayed-prefix gathers dK and dV: \
      \(KeyValueGradientKind.words.joined(separator: ", ")).
      """)
  var kvGradients = KeyValueGradientKind.float32.rawValue
  @Option(help: "Rows that carry loss: \(LossRows.words.joined(separator: ", ")).")
  var lossRows = LossRows.nextToken.rawValue
  @Option(
    help: """
      Type of activations and parameters: \(DType.words.joined(separator: ", ")) (default: the \
      configuration's own, or else float32).
      """)
  var dtype: String?
  @Option(
    help: """
      Regular expression; parameters in whose Hugging Face name it is found are trained, the \
      others are frozen (default: all are trained).
      """)
  var trainable = ""
  @Option(
    parsing: .unconditional,
    help: "Dropout probability of embeddings, attention and branches (gpt2 models).")
  var dropout = 0.0
  @Option(
    help: "Whose ops a layer is made of: \(Recipe.built.map(\.rawValue).joined(separator: ", ")).")
  var recipe = Recipe.ballast.rawValue
  @Option(help: "Compute, or count on shapes alone: \(BackendKind.words.joined(separator: ", ")).")
  var backend = BackendKind.cpu.rawValue
  @Option(parsing: .unconditional, help: "Threads that compute (default: all cores).")
  var threads: Int?
  @Option(parsing: .unconditional, help: "Seed of parameters and tokens.")
  var seed: UInt64 = 0
  @OptionGroup var memory: MemoryOption

  /// What the options describe, with the files that they name looked at.
  struct Parsed {
    let planned: PlannedPoint
    let tokens: TokenFile?
    /// Sentences for standard error.
    let notes: [String]
  }

  /// The files and directories that are read, under their options.
  var inputs: [(option: String, path: String?)] {
    [("--model", model), ("--weights", weights), ("--tokens", tokens)]
  }

  /// Reads and checks the options.
  ///
  /// What is given is checked before what is missing is asked for.
  ///
  /// - Throws: `UsageError` for a word or a value that cannot be; the reader's own error for a file
  ///   that cannot be used.
  func parsed() throws -> Parsed {
    do {
      let request = try request()
      let planned = try request.planned()
      try requireGiven()
      try Checkpoints().check(planned)
      let tokens = try tokens.map { try TokenFile.read($0) }
      try tokens?.check(planned.point)
      let note = tokens?.note(for: [planned])
      return Parsed(
        planned: planned, tokens: tokens, notes: request.notes + (note.map { [$0] } ?? []))
    } catch let error as ValueError {
      throw UsageError(error.description)
    } catch let error as PointError {
      throw UsageError(error.description)
    }
  }

  private func request() throws -> PointRequest {
    var request = PointRequest(
      model: try ModelSource.resolve(model ?? "seed"), nC: nC ?? 4, nG: nG ?? 4)
    request.sizes = sizes.sizes
    request.weights = weights
    request.dtype = try dtype.map { (word) throws(ValueError) in
      try DType(word: word, axis: "dtype")
    }
    request.point.batch = batch
    request.point.mode = try Mode(word: mode, axis: "mode")
    request.point.keepPrefix = keepPrefix
    request.point.chunk = chunk
    request.point.recompute = try Recompute(word: recompute, axis: "recompute")
    request.point.attention = try AttentionKind(word: attention, axis: "attention")
    request.point.head = try HeadKind(word: head, axis: "head")
    request.point.kvGradients = try KeyValueGradientKind(
      word: kvGradients, axis: "kv-gradients")
    request.point.lossRows = try LossRows(word: lossRows, axis: "loss-rows")
    request.point.trainable = trainable
    request.point.dropout = dropout
    request.point.recipe = try Recipe(word: recipe, axis: "recipe")
    request.point.backend = try BackendKind(word: backend, axis: "backend")
    request.point.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    request.point.seed = seed
    return request
  }

  private func requireGiven() throws {
    let missing = [("--model", model == nil), ("--n-c", nC == nil), ("--n-g", nG == nil)]
      .filter(\.1).map(\.0)
    guard missing.isEmpty else {
      throw UsageError("\(missing.joined(separator: " and ")) must be given")
    }
  }
}

/// Sizes that take the place of the named model's.
struct ModelSizeOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Decoder layers: the first N of the model's.")
  var layers: Int?
  @Option(parsing: .unconditional, help: "Width of the residual stream.")
  var dModel: Int?
  @Option(parsing: .unconditional, help: "Query heads.")
  var heads: Int?
  @Option(parsing: .unconditional, help: "Key and value heads.")
  var kvHeads: Int?
  @Option(parsing: .unconditional, help: "Width of a head.")
  var dHead: Int?
  @Option(name: .customLong("d-ff"), parsing: .unconditional, help: "Inner width of the MLP.")
  var dFF: Int?
  @Option(parsing: .unconditional, help: "Tokens in the vocabulary.")
  var vocab: Int?

  /// The sizes that were given.
  var sizes: ModelSizes {
    var sizes = ModelSizes()
    sizes.layers = layers
    sizes.dModel = dModel
    sizes.heads = heads
    sizes.kvHeads = kvHeads
    sizes.dHead = dHead
    sizes.dFF = dFF
    sizes.vocab = vocab
    return sizes
  }
}

/// The memory that a step may use.
struct MemoryOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: """
      Most bytes of a step, such as 80GiB, 512MiB, 4096 (default: what is available; on shapes, no \
      limit).
      """)
  var memory: String?

  /// The limit in bytes; nil if none was given.
  func given() throws(UsageError) -> Int? {
    guard let memory else { return nil }
    do { return try ByteSize.parse(memory) } catch { throw UsageError(error.description) }
  }
}
