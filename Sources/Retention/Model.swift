import Autograd
package import Ledger
import Patterns
package import Safetensors
package import Tensors
package import Transformer

/// A model on a backend: made, loaded or drawn once, and stepped many times.
///
/// Its parameters have a ledger of their own, since they outlive every step. One step at a time may
/// run on it.
package final class Model {
  package let decoder: Decoder
  package let backend: Backend
  /// What the parameters take.
  package let ledger: Ledger
  /// The pattern of those that were said to be trained last; nil: nothing was said.
  private var trainable: NamePattern??
  /// Those that are trained now, and what distinguishes the layers.
  private(set) lazy var trained = TrainedParameters(of: decoder.parameters)
  private(set) lazy var layerKinds = decoder.layerKinds

  /// Where the values of parameters come from.
  package struct Values {
    /// A checkpoint, and the number of its layers; nil: drawn.
    private var stored: (weights: ModelWeights, layers: Int)?
    /// The adapter's own, if it is not drawn either.
    package var adapter: ModelWeights?
    /// What is drawn is drawn from it.
    private let seed: UInt64

    /// Those of a checkpoint; those of an adapter are drawn unless given.
    package static func stored(_ weights: ModelWeights, layers: Int, seed: UInt64 = 0) -> Values {
      Values(stored: (weights, layers), seed: seed)
    }

    /// Drawn from a seed.
    package static func drawn(seed: UInt64) -> Values { Values(seed: seed) }

    fileprivate func fill(_ decoder: Decoder, by kernels: any Kernels) throws(WeightsError) {
      decoder.initialize(seed: seed, by: kernels) { parameter in
        AdapterConfiguration.owns(parameter.name) ? adapter == nil : stored == nil
      }
      if let stored {
        try decoder.load(stored.weights, storedLayers: stored.layers, by: kernels)
      }
      if let adapter { try decoder.load(adapter: adapter, by: kernels) }
    }
  }

  /// Makes the parameters, and gives them their values where something computes.
  ///
  /// - Parameters:
  ///   - configuration: The model's sizes and choices.
  ///   - dtype: The type of its parameters.
  ///   - backend: Where it lives; on shapes nothing is allocated and nothing drawn.
  ///   - values: Where the numbers come from.
  ///   - limit: The most allocated bytes.
  /// - Throws: `AllocationError` if the parameters do not fit, `WeightsError` for a checkpoint that
  ///   does not belong to the model.
  package init(
    _ configuration: DecoderConfiguration, dtype: DType, on backend: Backend, values: Values,
    limit: Int? = nil
  ) throws {
    self.backend = backend
    ledger = Ledger()
    let tensors = TensorFactory(
      backend, ledger: ledger, layout: SequenceLayout([], lossRuns: []), limit: limit)
    decoder = try Decoder(configuration, dtype: dtype, tensors: tensors)
    guard let kernels = backend.kernels else { return }
    try values.fill(decoder, by: kernels)
  }

  /// The model of a point, with parameters drawn from its seed.
  ///
  /// - Throws: `PointError` for an impossible point, and as above.
  package convenience init(of point: Point, on backend: Backend, limit: Int? = nil) throws {
    try point.validate()
    try self.init(
      point.model, dtype: point.dtype, on: backend, values: .drawn(seed: point.seed), limit: limit)
  }

  /// Says which parameters are trained: those that a point trains, all unless it says so, and of a
  /// model with an adapter that and what its pattern finds.
  func train(_ point: Point) {
    guard trainable != .some(point.trainable) else { return }
    let hasAdapter = point.model.adapter != nil
    decoder.train { name in
      hasAdapter && AdapterConfiguration.owns(name)
        || (point.trainable?.isFound(in: name) ?? !hasAdapter)
    }
    trainable = point.trainable
    trained = TrainedParameters(of: decoder.parameters)
    layerKinds = decoder.layerKinds
  }

  /// Requested and allocated bytes of all parameters.
  package var parameterBytes: Int { ledger.liveBytes[.parameter] }
  package var parameterAllocatedBytes: Int { ledger.liveAllocatedBytes[.parameter] }

  /// Drops the gradients of the last step.
  package func clearGradients() {
    for parameter in decoder.parameters {
      parameter.clearGradient()
      parameter.parts = nil
    }
  }
}
