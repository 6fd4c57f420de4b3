package import PyTorchSteps
import Patterns
import Tensors
import Transformer

extension TrainedSteps {
  /// The steps of PyTorch's that a point's recipe stands for; nil for Ballast's own layers, and for
  /// what is no plain training step.
  ///
  /// Those that are: whole graphs of sequences of one length, rows that predict the next token,
  /// adapters that train no module as a copy.
  ///
  /// - Parameters:
  ///   - point: What is asked.
  ///   - device: Where they run.
  ///   - steps: Steps of the optimizer, from the second of which on its state stands; nil for two
  ///     where it has one, else for one.
  package init?(_ point: Point, on device: StepDevice, steps: Int? = nil) {
    guard let model = TrainedModel(point), point.mode == .fullGraph,
      point.lossRows == .nextToken, point.lengths == nil, point.sharing == .none,
      let optimizer = StepOptimizer(point.optimizer)
    else { return nil }
    self.init(
      model: model, batch: point.sequences, tokens: point.n, optimizer: optimizer,
      steps: steps ?? (optimizer == .none ? 1 : 2), on: device)
    guard isKnown else { return nil }
  }
}

extension TrainedSteps.StepOptimizer {
  fileprivate init?(_ optimizer: Optimizer) {
    switch optimizer {
    // Without momentum, which is what `sgd` is here, a step makes nothing.
    case .none, .sgd: self = .none
    case .adamw: self = .adamw
    case .adamwFP32: return nil
    }
  }
}

extension TrainedModel {
  fileprivate init?(_ point: Point) {
    let c = point.model
    let hasAdapter = c.adapter != nil
    guard let attention = Attention(point.recipe), let family = Family(rawValue: c.family.rawValue),
      let dtype = ElementType(rawValue: point.dtype.rawValue), c.adapter?.saved.isEmpty ?? true,
      c.adapter?.dropout ?? 0 == 0, point.dropout == 0
    else { return nil }
    var adapters: [String: Int] = [:]
    if let adapter = c.adapter {
      for map in c.linearMaps where adapter.isTarget(map.module) {
        adapters[map.module] = adapter.rank
      }
    }
    let positions: Int =
      switch c.positions {
      case .learned(let most): most
      case .rotary: 0
      }
    self.init(
      family: family, layers: c.layers, width: c.dModel, heads: c.heads, kvHeads: c.kvHeads,
      headWidth: c.dHead, innerWidth: c.dFF, vocab: c.vocab, positions: positions,
      isTied: c.tiedEmbeddings, hasQueryBias: c.queryKeyValueBias, hasOutputBias: c.outputBias,
      hasInnerBias: c.mlpBias, activation: c.activationName,
      windows: (0..<c.layers).map { c.slidingWindow(ofLayer: $0) }, dtype: dtype,
      rotary: TrainedModel.Rotary(c.positions), attention: attention, isCheckpointed: point.recompute == .layer, adapters: adapters,
      isTrained: { name in point.trainable?.isFound(in: name) ?? !hasAdapter })
  }
}

extension TrainedModel.Attention {
  fileprivate init?(_ recipe: Recipe) {
    switch recipe {
    case .ballast: return nil
    case .transformersEager: self = .eager
    case .transformersSDPA: self = .sdpa
    }
  }
}

extension TrainedModel.Rotary {
  fileprivate init(_ positions: DecoderConfiguration.Positions) {
    guard case .rotary(_, let scaling) = positions, case .llama3 = scaling else {
      self = .plain
      return
    }
    self = .llama3
  }
}
