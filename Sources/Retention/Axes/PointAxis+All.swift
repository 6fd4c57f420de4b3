import Transformer

extension PointAxis {
  /// Every axis of a measurement; to add one, add its entry and its property of `Point`.
  ///
  /// Profiles multiply axes in this order, the first outermost. `mode` is nearly innermost, so that
  /// the exact gradient with which a biased mode is compared was computed just before. Result files
  /// have orders of their own: what they do not name comes last in them.
  package static let all: [PointAxis] = [
    .integers("n_c", .tokens, \.nC, 0...mostTokens, "Prefix tokens, which carry no loss")
      .required().inSeries(AxisValue(0)),
    .integers("n_g", .tokens, \.nG, 1...mostTokens, "Generated tokens, which carry loss")
      .required(),
    .values("model", .model, \.modelName, "The model's name or path").required(),
    .integers(
      "layers", .model, \.layers, 1...4096, "Decoder layers: the first N of the model's"),
    .integers("d_model", .model, \.dModel, 1...1 << 20, "Width of the residual stream"),
    .integers("heads", .model, \.heads, 1...1 << 16, "Query heads"),
    .integers("kv_heads", .model, \.model.kvHeads, 1...1 << 16, "Key and value heads"),
    .integers("d_head", .model, \.model.dHead, 1...1 << 16, "Width of a head"),
    .integers("d_ff", .model, \.model.dFF, 1...1 << 24, "Inner width of the MLP"),
    .integers("vocab", .model, \.vocab, 1...1 << 24, "Tokens in the vocabulary"),
    .integers("batch", .tokens, \.batch, 1...1 << 20, "Sequences at a time"),
    .values(
      "lengths", .tokens, \.lengths,
      "Sequences of different lengths in place of n_c, n_g and batch, n_c+n_g each, such as "
        + "128+16,4096+512; the loss is the mean over all loss rows"
    ).unlessGiven("all alike").quiet(),
    .values("layout", .tokens, \.packing, "How sequences of different lengths share a step")
      .inReference(Packing.packed).quiet(),
    .integers(
      "suffixes", .tokens, \.suffixes, 1...1 << 16,
      "Completions of each prefix, n_g tokens each; the loss is the mean over all of them"
    ).quiet(),
    .values(
      "sharing", .tokens, \.sharing,
      "What completions of one prefix share: nothing, as whole sequences, or the prefix, which "
        + "runs once"
    ).inReference(Sharing.none).quiet(),
    .integers(
      "suffixes_at_a_time", .tokens, \.suffixesAlive, 0...1 << 16,
      "Completions whose graph is alive at a time, 0 for all"
    ).goesWith("sharing", Sharing.prefix).quiet(),
    .values("dtype", .step, \.dtype, "Type of activations and parameters")
      .unlessGiven("the configuration's own, or else float32"),
    .values("attention", .step, \.attention, "What attention saves"),
    .values(
      "head", .step, \.head, "Rows that get logits, with chunked the loss rows some at a time"),
    .values("recompute", .step, \.recompute, "What backward computes again")
      .inReference(Recompute.none),
    .values("loss_rows", .step, \.lossRows, "Rows that carry loss"),
    .values(
      "trainable", .step, \.trainable,
      "Regular expression; parameters in whose Hugging Face name it is found are trained, the "
        + "others are frozen"
    ).unlessGiven("all are trained"),
    .values(
      "dropout", .step, \.dropout,
      "Dropout probability of embeddings, attention and branches (gpt2 models)"),
    .values(
      "adapter", .step, \.adapter,
      "Directory of a LoRA adapter that PEFT's save_pretrained wrote; the base is frozen unless "
        + "trainable says otherwise"
    ).unlessGiven("none"),
    .values(
      "lora", .step, \.lora,
      "A LoRA adapter drawn from the seed, such as r=16,alpha=32,targets=q_proj+v_proj, or "
        + "targets=all-linear; rslora=true and dropout=0.05 go with it"
    ).unlessGiven("none"),
    .values("optimizer", .step, \.optimizer, "Whose state is counted; no optimizer runs")
      .inReference(Optimizer.none),
    .values(
      "recipe", .step, \.recipe,
      "Whose ops a layer is made of; those of transformers are counted alone, as of "
        + Recipe.versions
    ),
    .values("backend", .run, \.backend, "Compute, or count on shapes alone").withoutBytes(),
    .integers("threads", .run, \.threads, 1...1024, "Threads that compute")
      .unlessGiven("all cores").withoutBytes(),
    .values("seed", .run, \.seed, "Seed of parameters and tokens"),
    .integers(
      "chunk", .prefix, \.chunk, 1...mostTokens,
      "Rows at a time: of a prefix that runs without a graph, and of the loss rows with head "
        + "chunked"
    ).goesWith("mode", ModeName.detachedPrefix, .replayedPrefix)
      .goesWith("head", HeadKind.chunked),
    .values(
      "kv_gradients", .prefix, \.mode.kvGradients,
      "Type in which replayed-prefix gathers dK and dV"
    ).goesWith("mode", ModeName.replayedPrefix),
    .values("mode", .prefix, \.modeName, "How the prefix takes part")
      .inReference(ModeName.fullGraph),
    .integers(
      "keep_prefix", .prefix, \.mode.keepPrefix, 0...mostTokens,
      "Last prefix rows that detached-prefix leaves in the graph"
    ).goesWith("mode", ModeName.detachedPrefix),
  ]

  private static let mostTokens = 1 << 28

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The axis of a name; nil if there is none.
  package static func find(_ name: String) -> PointAxis? { byName[name] }

  /// The axis of a name that is known to be one.
  package static func named(_ name: String) -> PointAxis {
    guard let axis = byName[name] else { preconditionFailure("\(name) is no axis") }
    return axis
  }

  /// The sizes that make up a model.
  package static let sizes = all.filter { $0.section == .model && $0.name != "model" }

  /// The axes over which a profile can go.
  package static let ofProfiles = all.filter { $0.section != .model || isListed($0.name) }

  private static func isListed(_ size: String) -> Bool { size == "model" || size == "layers" }
}

// MARK: Values that bring others with them

extension Point {
  /// The mode's name; a new one comes with the default of its settings.
  fileprivate var modeName: ModeName {
    get { mode.name }
    set { if newValue != mode.name { mode = Mode(newValue) } }
  }

  /// The model's layers; of more than are wanted the first are kept, each with its own.
  fileprivate var layers: Int {
    get { model.layers }
    set {
      model.layers = newValue
      if case .listed(let list) = model.slidingLayers {
        model.slidingLayers = .listed(Array(list.prefix(max(newValue, 0))))
      }
    }
  }

  /// Suffixes alive at a time, where they share a prefix.
  fileprivate var suffixesAlive: Int {
    get { sharing == .prefix ? suffixesAtATime : 0 }
    set { if sharing == .prefix { suffixesAtATime = newValue } }
  }

  /// The width of the residual stream; a head's becomes the usual share of it.
  fileprivate var dModel: Int {
    get { model.dModel }
    set {
      model.dModel = newValue
      shareWidth()
    }
  }

  /// Query heads, and as many for keys and values; their width becomes the usual share.
  fileprivate var heads: Int {
    get { model.heads }
    set {
      (model.heads, model.kvHeads) = (newValue, newValue)
      shareWidth()
    }
  }

  /// Tokens; a padding token beyond them is none.
  fileprivate var vocab: Int {
    get { model.vocab }
    set {
      model.vocab = newValue
      if let padding = model.paddingToken, padding >= newValue { model.paddingToken = nil }
    }
  }

  /// A width of 0 stands for a quotient that is not whole; `validate` says so.
  private mutating func shareWidth() {
    let isWhole = model.heads > 0 && model.dModel % model.heads == 0
    model.dHead = isWhole ? model.dModel / model.heads : 0
  }
}
