import Files
import HuggingFace
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
  /// Where an adapter's relative path is looked for that leads nowhere from the working directory.
  package var folder: String?

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
  /// - Throws: `PointError` for what cannot be, `ModelError` and `ConfigurationError` for an
  ///   adapter that does not belong to the model.
  package func planned(repetition: Int = 1, standsAlone: Bool = false) throws -> PlannedPoint {
    var point = point
    if !point.adapter.isEmpty {
      point.adapter = Paths.find(point.adapter, beside: folder)
      guard !model.isPart else {
        throw ModelError.adapterOfWhole(path: point.adapter, model: model.name)
      }
      point.setAdapter(try AdapterConfiguration(directory: point.adapter, model: point.model))
    }
    if let most = model.mostLayers, point.model.layers > most {
      throw PointError.sizes(.layers(point.model.layers, ofModel: model.name, most: most))
    }
    // A test's point has an n_c and an n_g in any case.
    try settings.requireLengthsAlone(["batch", "suffixes"])
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

  /// Checks names, shapes and types of a point's checkpoint and adapter; reads no values.
  ///
  /// - Throws: `WeightsError` for one that does not belong to the point's model.
  package func check(_ planned: PlannedPoint) throws(WeightsError) {
    if let adapter = try adapter(of: planned.point) {
      _ = try WeightMap(planned.point.model).match(adapter: adapter)
    }
    guard let weights = planned.weights else { return }
    let match = Match(weights: weights, model: planned.point.model)
    guard !matched.contains(match) else { return }
    _ = try WeightMap(match.model, storedLayers: weights.layers).match(open(weights.path))
    matched.insert(match)
  }

  /// The values of a point's model.
  package func values(for planned: PlannedPoint) throws(WeightsError) -> Model.Values {
    let seed = planned.point.seed
    var values = Model.Values.drawn(seed: seed)
    if let weights = planned.weights {
      values = .stored(try open(weights.path), layers: weights.layers, seed: seed)
    }
    values.adapter = try adapter(of: planned.point)
    return values
  }

  private func adapter(of point: Point) throws(WeightsError) -> ModelWeights? {
    guard !point.adapter.isEmpty else { return nil }
    let path = Paths.join(point.adapter, AdapterConfiguration.weightsName)
    // Shapes need no values, and a configuration alone says the bytes.
    return point.backend == .shape && !Paths.exists(path) ? nil : try open(path)
  }

  private func open(_ path: String) throws(WeightsError) -> ModelWeights {
    if let weights = opened[path] { return weights }
    let weights = try ModelWeights.open(path)
    opened[path] = weights
    return weights
  }
}
