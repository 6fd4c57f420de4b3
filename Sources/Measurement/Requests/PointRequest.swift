import Files
package import Retention
package import Safetensors
import Tensors
import Transformer

/// A point as it is asked for: a model, values on the axes, and a checkpoint.
///
/// Command line, profiles and tests all end here, so that they mean the same.
package struct PointRequest: Sendable {
  package var model: NamedModel
  package var settings = AxisSettings()
  /// Threads where the settings give none.
  package var threads = 1
  /// A checkpoint in place of the model's own: a file, an index or a directory.
  package var weights: String?

  package init(model: NamedModel) { self.model = model }

  /// Sentences for standard error about what the model's files ask for and is measured otherwise.
  package var notes: [String] {
    let trained = model.configuration.dropout
    let most = max(trained.embedding, trained.attention, trained.residual)
    let missing = point.backend == .shape || weights != nil ? nil : model.missingWeights
    let notes = model.notes + (missing.map { [$0] } ?? [])
    guard most > 0, point.dropout == 0 else { return notes }
    return notes + [
      "\(model.name): the configuration trains with dropout \(most); measured without, unless "
        + "dropout is given"
    ]
  }

  /// The point with all of its values, not yet checked.
  package var point: Point {
    var point = Point(modelName: model.name, model: model.configuration, nC: 0, nG: 0)
    point.dtype = model.configuration.dtype ?? .float32
    point.threads = threads
    point = settings.applied(to: point)
    if let attention = point.recipe.attentionMemory {
      // The code's own choices, where nothing else was asked for.
      if settings["attention"] == nil { point.attention = attention }
      if settings["head"] == nil { point.head = .allRows }
    }
    return point
  }

  /// The checked point, and where its weights are.
  ///
  /// - Parameters:
  ///   - repetition: Which one of the point it is, from 1.
  ///   - standsAlone: Whether values that only other points heed are refused.
  /// - Returns: The point, and its checkpoint unless its weights are drawn.
  /// - Throws: `ValueError` for more layers than the model has, `PointError` for what cannot be.
  package func planned(repetition: Int = 1, standsAlone: Bool = false) throws -> PlannedPoint {
    let point = point
    if let most = model.mostLayers, point.model.layers > most {
      throw ValueError(
        "layers \(point.model.layers) is more than the model \(quoted(model.name)) has, \(most)")
    }
    try point.validate()
    if standsAlone { try settings.requireEffect(on: point) }
    // Shapes need no values; a file that was named is looked at all the same.
    let path = weights ?? (point.backend == .shape ? nil : model.weights)
    return PlannedPoint(
      point: point, repetition: repetition,
      weights: path.map { StoredWeights(path: $0, layers: model.mostLayers ?? point.model.layers) })
  }
}

/// A checkpoint, and how many layers it holds.
package struct StoredWeights: Hashable, Sendable {
  /// A safetensors file, an index of shards, or a directory with either.
  package let path: String
  /// The model's layers, of which a point may take the first few.
  package let layers: Int

  package init(path: String, layers: Int) { (self.path, self.layers) = (path, layers) }
}

/// Opens checkpoints, each once, and holds them against the models that want them.
package final class Checkpoints {
  private var opened: [String: ModelWeights] = [:]
  private var matched: Set<Match> = []

  private struct Match: Hashable {
    let weights: StoredWeights
    let model: DecoderConfiguration
  }

  package init() {}

  /// Checks names, shapes and types of a point's checkpoint; reads no values.
  ///
  /// - Throws: `WeightsError` for a checkpoint that does not belong to the point's model.
  package func check(_ planned: PlannedPoint) throws(WeightsError) {
    guard let weights = planned.weights else { return }
    let match = Match(weights: weights, model: planned.point.model)
    guard !matched.contains(match) else { return }
    _ = try WeightMap(match.model, storedLayers: weights.layers).match(open(weights.path))
    matched.insert(match)
  }

  /// What `TrainingStep` takes; nil for weights that are drawn.
  package func values(
    for planned: PlannedPoint
  ) throws(WeightsError) -> (values: ModelWeights, layers: Int)? {
    guard let weights = planned.weights else { return nil }
    return (try open(weights.path), weights.layers)
  }

  private func open(_ path: String) throws(WeightsError) -> ModelWeights {
    if let weights = opened[path] { return weights }
    let weights = try ModelWeights.open(path)
    opened[path] = weights
    return weights
  }
}
