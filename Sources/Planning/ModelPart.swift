import Ledger

/// A part of the model to which a retained tensor belongs: that of the op which saved it first.
enum ModelPart: String, CaseIterable {
  case embedding, norms, attention
  case keysAndValues = "K/V"
  case mlp
  case layerInputs = "layer inputs"
  case head, other

  init(of saved: SavedStorage) {
    guard let saver = saved.savers.first else {
      self = .other
      return
    }
    self.init(of: saved.description.role, keptBy: saver.scope.op.place)
  }

  /// Keys and values are a part of their own wherever attention, or what runs again, keeps them.
  init(of role: TensorRole, keptBy place: Place) {
    let isKeyOrValue = role.operand == .keysOrValues
    switch place {
    // What an adapter keeps belongs to the part that it is on.
    case .module(let module), .adapter(_, on: let module), .dropout(of: let module):
      self.init(of: module)
    case .queryRotation, .keyRotation, .rotationTables: self = .attention
    case .attention: self = isKeyOrValue ? .keysAndValues : .attention
    case .replay: self = .keysAndValues
    case .layer: self = isKeyOrValue ? .keysAndValues : .layerInputs
    case .activation: self = .mlp
    case .loss, .lossRows: self = .head
    case .setup, .residual, .rows: self = .other
    }
  }

  private init(of module: Module) {
    switch module {
    case .embedding, .positions: self = .embedding
    case .attentionNorm, .queryNorm, .keyNorm, .mlpNorm: self = .norms
    case .query, .key, .value, .queryKeyValue, .attentionOutput: self = .attention
    case .gate, .up, .down: self = .mlp
    case .finalNorm, .head: self = .head
    }
  }
}
