import Ledger
import Retention
import Tensors
import Transformer

/// Keeps the machine and the model of the last point for the next one that shares them.
final class ModelStore {
  private let engine: Engine
  private let checkpoints = Checkpoints()
  private var machine: (threads: Int, machine: Machine)?
  private var model: (key: Key, model: Model)?

  /// What two points have in common that share a model.
  private struct Key: Hashable {
    let configuration: DecoderConfiguration
    let dtype: DType
    let weights: StoredWeights?
    /// The adapter's directory; empty for none.
    let adapter: String
    /// Where something is drawn.
    let seed: UInt64?
    let threads: Int

    init(_ planned: PlannedPoint) {
      configuration = planned.point.model
      dtype = planned.point.dtype
      weights = planned.weights
      adapter = planned.point.adapter
      let isDrawn = planned.weights == nil || planned.point.lora != nil
      seed = isDrawn ? planned.point.seed : nil
      threads = planned.point.threads
    }
  }

  init(engine: Engine) { self.engine = engine }

  /// A machine on so many threads, without pages that earlier points have left.
  func machine(threads: Int) throws -> Machine {
    if let machine, machine.threads == threads {
      model?.model.clearGradients()
      try machine.machine.releaseFreePages()
      return machine.machine
    }
    (model, machine) = (nil, nil)
    let made = try engine.makeMachine(threads)
    machine = (threads, made)
    return made
  }

  /// The point's model, on a machine of this store.
  ///
  /// - Throws: `AllocationError` if its parameters do not fit, `WeightsError` for a checkpoint that
  ///   does not belong to it.
  func model(of planned: PlannedPoint, on machine: Machine, limit: Int?) throws -> Model {
    let key = Key(planned)
    if let model, model.key == key { return model.model }
    model = nil
    let values = try checkpoints.values(for: planned)
    let made = try Model(
      planned.point.model, dtype: planned.point.dtype, on: machine.backend, values: values,
      limit: limit)
    model = (key, made)
    return made
  }
}
