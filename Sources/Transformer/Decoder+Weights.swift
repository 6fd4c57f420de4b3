package import Autograd
import Ledger

extension Decoder {
  /// Every use of a parameter, in the order of the forward pass: weights, biases and norms.
  ///
  /// GPT-2's joint matrix stands three times, as W_Q, W_K and W_V; a tied embedding twice, as E and
  /// U.
  package var weights: [Weight] {
    [Weight(embedding)] + (positions.map { [Weight($0)] } ?? []) + layers.flatMap(\.weights)
      + norm.weights + [Weight(head, of: .head)]
  }
}

extension DecoderLayer {
  /// The layer's weights, in the order of the forward pass.
  var weights: [Weight] {
    attentionNorm.weights
      + projectionWeights + [qNorm, kNorm].compactMap { $0.map { Weight($0) } }
      + o.weights + mlpNorm.weights + mlp.weights
  }
}

extension DecoderLayer {
  /// Those of q, k and v; an A that they share stands once.
  private var projectionWeights: [Weight] {
    q.weights
      + [k, v].flatMap { $0.weights.filter { $0.parameter !== q.adapter?.a.parameter } }
  }
}

extension DecoderLayer.MLP {
  fileprivate var weights: [Weight] {
    switch self {
    case .swiGLU(let gate, let up, let down): [gate, up, down].flatMap(\.weights)
    case .gelu(_, let up, let down): [up, down].flatMap(\.weights)
    }
  }
}

extension Projection {
  fileprivate var weights: [Weight] {
    [weight] + (bias.map { [$0] } ?? []) + (adapter?.weights ?? [])
  }
}

extension Adapter {
  fileprivate var weights: [Weight] { [a, b] }
}

extension Norm {
  fileprivate var weights: [Weight] {
    switch self {
    case .rms(let weight): [Weight(weight)]
    case .layer(let weight, let bias): [Weight(weight), Weight(bias)]
    }
  }
}
