/// A module of a decoder that has weights, in terms that all families share.
package enum Module: Hashable, Sendable, CaseIterable {
  case embedding
  /// The table of learned positions.
  case positions
  case attentionNorm
  case queryNorm
  case keyNorm
  case query
  case key
  case value
  /// One product that makes q, k and v, as GPT-2's `c_attn`.
  case queryKeyValue
  case attentionOutput
  case mlpNorm
  case gate
  case up
  case down
  case finalNorm
  case head
}

/// Where in a training step an op runs: at a module with weights, or between them.
package enum Place: Hashable, Sendable {
  /// Outside of all ops.
  case setup
  case module(Module)
  /// A part of the low-rank adapter on a linear map.
  case adapter(AdapterPart, on: Module)
  /// Dropout of what a module made.
  case dropout(of: Module)
  /// The turning of heads by their rows' positions, and the tables that it reads.
  case queryRotation, keyRotation, rotationTables
  /// Scores, softmax and weighted values, or all in one kernel.
  case attention
  /// The MLP's activation function, and its product with the other branch.
  case activation
  /// The sum of a branch and what went around it.
  case residual
  /// Some rows of a tensor, seen or copied.
  case rows, lossRows
  case loss
  /// A layer that backward runs again.
  case layer
  /// A prefix that runs again once its keys and values have their gradients.
  case replay

  /// What low-rank adapters consist of, in the order in which they run.
  package enum AdapterPart: Hashable, Sendable {
    case dropout, a, b
  }
}

/// An op of a training step: where it runs, and the name that people read.
package struct Op: Hashable, Sendable {
  package let place: Place
  package let name: String

  /// An op of Ballast's own graph, or one that another program calls by a `name` of its own.
  package init(_ place: Place, name: String? = nil) {
    self.place = place
    self.name = name ?? place.name
  }
}

extension Place {
  /// What Ballast's own graph calls the op there.
  package var name: String {
    switch self {
    case .setup: "setup"
    case .module(let module): module.opName
    case .adapter(.dropout, let module): "\(module.opName).lora_dropout"
    case .adapter(.a, let module): "\(module.opName).lora_A"
    case .adapter(.b, let module): "\(module.opName).lora_B"
    case .dropout(.attentionOutput): "attention_dropout"
    case .dropout(.down): "mlp_dropout"
    case .dropout(let module): "\(module.opName)_dropout"
    case .queryRotation: "q_rotary"
    case .keyRotation: "k_rotary"
    case .rotationTables: "rotary"
    case .attention: "attention"
    case .activation: "activation"
    case .residual: "residual"
    case .rows: "rows"
    case .lossRows: "loss_rows"
    case .loss: "cross_entropy"
    case .layer: "layer"
    case .replay: "replay"
    }
  }
}

extension Module {
  fileprivate var opName: String {
    switch self {
    case .embedding: "embedding"
    case .positions: "positions"
    case .attentionNorm: "attention_norm"
    case .queryNorm: "q_norm"
    case .keyNorm: "k_norm"
    case .query: "q_proj"
    case .key: "k_proj"
    case .value: "v_proj"
    case .queryKeyValue: "qkv_proj"
    case .attentionOutput: "o_proj"
    case .mlpNorm: "mlp_norm"
    case .gate: "gate_proj"
    case .up: "up_proj"
    case .down: "down_proj"
    case .finalNorm: "final_norm"
    case .head: "head"
    }
  }
}
