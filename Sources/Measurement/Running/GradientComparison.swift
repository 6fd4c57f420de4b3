import Autograd
import Reporting
package import Retention
import Transformer

/// The gradients of a step, as copies that outlive it, with the parameters in the model's order.
struct StepGradients {
  /// What a parameter is called.
  struct Name {
    let parameter: String
    let weight: String
    let layer: Int?
  }

  let names: [Name]
  /// By Hugging Face name; absent where nothing reached a trained parameter.
  let values: [String: [Float]]

  /// Copies what the last run of a step left.
  init(_ step: TrainingStep) {
    names = Self.names(of: step)
    values = step.gradients()
  }

  /// The norms, with nothing to compare them with.
  var norms: [ParameterGradient] {
    get throws(MeasurementError) {
      var norms: [ParameterGradient] = []
      for name in names {
        let values = values[name.parameter] ?? []
        let difference = try GradientDifference(
          of: values, from: [], parameter: name.parameter)
        norms.append(ParameterGradient(name, norm: difference.norm))
      }
      return norms
    }
  }

  /// The trained parameters of a step.
  static func names(of step: TrainingStep) -> [Name] {
    step.decoder.parameters.filter { $0.gradient != nil }.map {
      Name(parameter: $0.name, weight: $0.symbol, layer: $0.layer)
    }
  }
}

/// A gradient held against an exact one: the whole, and every parameter.
struct GradientComparison {
  let whole: GradientDifference
  let parameters: [ParameterGradient]

  /// Compares with the gradient that `mode` gave.
  ///
  /// - Throws: `MeasurementError` if a parameter has two sizes.
  init(
    of gradients: StepGradients, from exact: [String: [Float]], of mode: ModeName
  ) throws(MeasurementError) {
    var differences: [GradientDifference] = []
    var parameters: [ParameterGradient] = []
    for name in gradients.names {
      let difference = try GradientDifference(
        of: gradients.values[name.parameter] ?? [], from: exact[name.parameter] ?? [],
        parameter: name.parameter)
      var gradient = ParameterGradient(name, norm: difference.norm)
      gradient.relativeError = difference.relativeError
      gradient.cosine = difference.cosine
      gradient.referenceNorm = difference.referenceNorm
      gradient.reference = mode
      differences.append(difference)
      parameters.append(gradient)
    }
    whole = GradientDifference(over: differences)
    self.parameters = parameters
  }
}

extension ParameterGradient {
  init(_ name: StepGradients.Name, norm: Double? = nil) {
    self.init(parameter: name.parameter, weight: name.weight, layer: name.layer)
    self.norm = norm
  }
}

extension Point {
  /// Whether the point's own gradient is the exact one that others are compared with.
  package var isGradientReference: Bool {
    mode == .fullGraph && recompute == .none && sharing == .none && packing == .packed
  }

  /// The points whose gradients are exact and otherwise the same, best first.
  ///
  /// The second needs less memory. A replayed prefix is not held against itself.
  package var gradientReferences: [Point] {
    let full = exactReference
    guard mode.name != .replayedPrefix else { return [full] }
    var replayed = full
    replayed.mode = .replayedPrefix()
    return [full, replayed]
  }
}
