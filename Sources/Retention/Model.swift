import Autograd
package import Ledger
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
  /// The pattern of those that are trained now; nil: all are, as they were made.
  private var trainable: String?

  /// Where the values of parameters come from.
  package enum Values {
    /// A checkpoint, and the number of its layers.
    case stored(ModelWeights, layers: Int)
    /// Drawn from a seed.
    case drawn(seed: UInt64)
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
    switch values {
    case .stored(let weights, let layers):
      try decoder.load(weights, storedLayers: layers, by: kernels)
    case .drawn(let seed):
      decoder.initialize(seed: seed, by: kernels)
    }
  }

  /// The model of a point, with parameters drawn from its seed.
  ///
  /// - Throws: `PointError` for an impossible point, and as above.
  package convenience init(of point: Point, on backend: Backend, limit: Int? = nil) throws {
    try point.validate()
    try self.init(
      point.model, dtype: point.dtype, on: backend, values: .drawn(seed: point.seed), limit: limit)
  }

  /// Says which parameters are trained: those that a point trains.
  ///
  /// - Throws: `PointError` if its `trainable` is not a regular expression.
  func train(_ point: Point) throws(PointError) {
    guard trainable != point.trainable else { return }
    let pattern = try point.trainablePattern()
    decoder.train { pattern?($0) ?? true }
    trainable = point.trainable
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
