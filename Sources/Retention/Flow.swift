import Autograd
package import Ledger
import Tensors
import Transformer

/// Who gets gradient from where: the parts of every weight's gradient, by the rows they come from.
package struct Flow: Sendable {
  package var point: Point
  /// The mean cross-entropy over loss rows.
  package var loss: Double?
  /// Every trained weight, in the order of the forward pass.
  package var weights: [WeightFlow]
  /// The part of every single row; empty if it was not asked for.
  package var positions: [PositionFlow] = []

  package init(
    point: Point, loss: Double? = nil, weights: [WeightFlow], positions: [PositionFlow] = []
  ) {
    (self.point, self.loss, self.weights, self.positions) = (point, loss, weights, positions)
  }
}

/// The gradient of one weight in parts; norms are Frobenius norms, and 0 only of an exact zero.
package struct WeightFlow: Equatable, Sendable {
  /// nil outside the layers.
  package var layer: Int?
  /// The Hugging Face name; a joint matrix and a tied embedding have several weights.
  package var parameter: String
  /// What it is to the model.
  package var role: ParameterRole
  /// Of the rows 0 … n_c − 1.
  package var prefixNorm: Double
  /// Of the prefix rows that carry no loss: without row n_c − 1 where loss rows are `next-token`.
  package var silentNorm: Double
  /// Of row n_c − 1 alone where it carries loss; nil where it does not, or is not there.
  package var boundaryNorm: Double?
  /// Of the rows n_c … n − 1.
  package var generatedNorm: Double
  /// Of all rows.
  package var totalNorm: Double
  /// The cosine between the prefix's part and the generated rows'; nil if one of them is zero.
  package var cosine: Double?

  package init(
    layer: Int?, parameter: String, role: ParameterRole, prefixNorm: Double, silentNorm: Double,
    boundaryNorm: Double?, generatedNorm: Double, totalNorm: Double, cosine: Double?
  ) {
    (self.layer, self.parameter, self.role) = (layer, parameter, role)
    (self.prefixNorm, self.silentNorm, self.boundaryNorm) = (prefixNorm, silentNorm, boundaryNorm)
    (self.generatedNorm, self.totalNorm, self.cosine) = (generatedNorm, totalNorm, cosine)
  }

  /// The formula's name: `W_Q`, `b_Q`, `norm`, `E` …
  package var weight: String { role.symbol }

  /// `‖prefix‖ / (‖prefix‖ + ‖generated‖)`: 0 if the prefix gives nothing, 1 if all comes from it;
  /// nil if there is no gradient.
  package var prefixShare: Double? {
    let sum = prefixNorm + generatedNorm
    return sum == 0 ? nil : prefixNorm / sum
  }
}

/// The parts of single rows of one weight.
package struct PositionFlow: Equatable, Sendable {
  package var layer: Int?
  /// The Hugging Face name of the parameter that it is, or is a part of.
  package var parameter: String
  package var weight: String
  /// By position, 0 … n − 1.
  package var norms: [Double]

  package init(layer: Int?, parameter: String, weight: String, norms: [Double]) {
    (self.layer, self.parameter, self.weight, self.norms) = (layer, parameter, weight, norms)
  }
}

extension TrainingStep {
  /// Runs the step with the gradient of every trained parameter gathered in parts.
  ///
  /// The parts stay until the next run, in place of the gradients.
  ///
  /// - Parameters:
  ///   - rows: The rows of each part; ranges that follow on one another and cover `0..<n`.
  ///   - measuresRows: Whether the norm of each single row's part is taken too.
  /// - Returns: What the step kept and took; its gradient bytes are those of the parts.
  /// - Throws: As `run(atBoundary:)`.
  package func run(inParts rows: [Range<Int>], measuresRows: Bool = false) throws -> StepResult {
    for parameter in decoder.parameters where parameter.gradient != nil {
      parameter.parts = GradientParts(rows: rows, measuresRows: measuresRows)
    }
    return try run()
  }

  /// Measures who gets gradient from where, and the part of each single row if asked to.
  ///
  /// - Throws: `PointError` for sequences of different lengths, and for single rows of completions
  ///   that share a prefix; `AllocationError`, what the backend throws.
  package func flow(measuresPositions: Bool = false) throws -> Flow {
    guard point.lengths == nil else { throw PointError.tokens(.flowOfLengths) }
    guard !measuresPositions || point.sharing == .none else {
      throw PointError.tokens(.positionsOfSharedPrefix)
    }
    let result = try run(inParts: point.flowRows, measuresRows: measuresPositions)
    defer { for parameter in decoder.parameters { parameter.parts = nil } }
    let trained = decoder.weights.filter { $0.gradient != nil }
    return Flow(
      point: point, loss: result.loss, weights: trained.map(weightFlow),
      positions: measuresPositions ? positionFlows(of: trained) : [])
  }

  private func weightFlow(_ weight: Weight) -> WeightFlow {
    let parts = weight.parameter.parts
    func sum(from row: Int, below end: Int) -> Tensor? {
      guard row < end, let index = parts?.rows.firstIndex(where: { $0.lowerBound == row }) else {
        return nil
      }
      return parts?.sums(of: weight.role)[index]
    }
    let moments = GradientMoments(
      silent: sum(from: 0, below: point.silentPrefix),
      boundary: sum(from: point.silentPrefix, below: point.nC),
      generated: sum(from: point.nC, below: point.n),
      read: { [tensors] in tensors.kernels?.read($0) ?? [] })
    return WeightFlow(
      layer: weight.parameter.layer, parameter: weight.parameter.name, role: weight.role,
      prefixNorm: moments.prefix.squareRoot(), silentNorm: moments.silent.squareRoot(),
      boundaryNorm: point.silentPrefix < point.nC ? moments.boundary.squareRoot() : nil,
      generatedNorm: moments.generated.squareRoot(), totalNorm: moments.total.squareRoot(),
      cosine: moments.cosine)
  }

  private func positionFlows(of weights: [Weight]) -> [PositionFlow] {
    weights.map { weight in
      let parameter = weight.parameter
      return PositionFlow(
        layer: parameter.layer, parameter: parameter.name, weight: weight.symbol,
        norms: (0..<point.n).map { parameter.parts?.norm(ofRow: $0, of: weight.role) ?? 0 })
    }
  }
}
