import Ledger

/// What the saved tensors of a layer are for, in PyTorch's ops as in Ballast's, so that what one
/// keeps beyond the other has a name.
enum KeptFor: String, CaseIterable {
  case normInputs = "norms: float32 copies of inputs"
  case normResults = "norms op by op: outputs, statistics"
  case activations = "activations op by op: their parts"
  case queries = "q, k, v: repeated, or one product"
  case probabilities = "probabilities: float32 copies"
  case masks = "masks"
  case constants = "constants: cos, sin, tokens, labels"
  case adapters = "LoRA: PEFT's float32 copies"
  case others = "inputs of products, and the rest"

  init(_ saved: SavedStorage) {
    guard let saver = saved.savers.first else {
      self = .others
      return
    }
    self.init(saved.description.role, keptBy: saver.scope.op.place)
  }

  /// By what the tensor is, or else by who keeps it first.
  init(_ role: TensorRole, keptBy place: Place) {
    switch role {
    case .attentionMask, .probabilityMask, .dropoutMask: self = .masks
    case .indices, .rotation: self = .constants
    case .probabilities, .scores: self = .probabilities
    case .parameter, .hidden, .normalized, .normStatistic, .query, .key, .value, .queryKeyValue,
      .repeatedKeyValue, .logSumExp, .attentionOutput, .inner, .adapterInput, .adapterHidden,
      .lossRows, .logits, .lossStatistic, .loss, .scratch:
      self.init(keptBy: place, role)
    }
  }

  private init(keptBy place: Place, _ role: TensorRole) {
    switch place {
    case .module(.embedding), .module(.positions): self = .constants
    case .module(.attentionNorm), .module(.queryNorm), .module(.keyNorm), .module(.mlpNorm),
      .module(.finalNorm):
      self = [.normalized, .normStatistic].contains(role) ? .normResults : .normInputs
    // What an adapter's two products read: in PEFT the input of each as a float32 copy of its own.
    case .adapter: self = .adapters
    case .activation: self = .activations
    case .attention: self = role.operand == nil ? .others : .queries
    case .module(.query), .module(.key), .module(.value), .module(.queryKeyValue),
      .module(.attentionOutput), .module(.gate), .module(.up), .module(.down), .module(.head),
      .dropout, .queryRotation, .keyRotation, .rotationTables, .residual, .rows, .lossRows, .loss,
      .layer, .replay, .setup:
      self = .others
    }
  }
}
