import Autograd
import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// `head: chunked` against `loss-rows`, and its bytes against sums written from the formulas.
@Suite struct `The head in chunks` {
  private struct Outcome {
    let loss: Double
    let gradients: [String: [Double]]
  }

  private func run(_ point: Point) throws -> Outcome {
    let backend = try CPUBackend(threads: point.threads)
    let step = try TrainingStep(point, on: backend.backend)
    drawParameters(of: step, backend, seed: point.seed)
    let loss = try #require(try step.run().loss)
    return Outcome(loss: loss, gradients: step.gradients().mapValues { $0.map(Double.init) })
  }

  @Test(arguments: randomCases(100))
  func `loss and gradients are those of loss-rows`(index: Int) throws {
    var point = randomFamilyPoint(index + 20_000)
    let modes = Mode.allCases
    for mode in modes {
      point.mode = mode
      point.chunk = [1, 2, 5, 256][(index / modes.count) % 4]
      point.head = .lossRows
      let whole = try run(point)
      point.head = .chunked
      let chunked = try run(point)
      let label = Comment(rawValue: "\(point)")
      #expect(abs(chunked.loss - whole.loss) <= 1e-6 * max(whole.loss, 1), label)
      #expect(Set(chunked.gradients.keys) == Set(whole.gradients.keys), label)
      // A sum that is rounded to bfloat16 further down may fall to the other side.
      let tolerance = point.dtype == .float32 ? 1e-5 : 1e-2
      let errors = relativeErrors(chunked.gradients, against: whole.gradients)
      #expect(
        errors.values.allSatisfy { $0 <= tolerance },
        "\(errors.filter { $0.value > tolerance }) \(label)")
    }
  }

  private static func point(_ dtype: DType, chunk: Int, vocab: Int = 5000) -> Point {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 2, dModel: 32, heads: 4, dFF: 48, vocab: vocab),
      nC: 24, nG: 40)
    point.batch = 2
    point.lossRows = .generated
    point.head = .chunked
    point.dtype = dtype
    point.chunk = chunk
    return point
  }

  @Test(arguments: [DType.float32, .bfloat16], [1, 8, 13, 40, 256])
  func `what is kept does not know the vocabulary, and a peak only one chunk of it`(
    dtype: DType, chunk: Int
  ) throws {
    let point = Self.point(dtype, chunk: chunk)
    let result = try runOnShapes(point)
    if dtype == .float32 {
      #expect(result.retained.total == `Retained bytes in closed form`.retainedBytes(point))
    }
    #expect(
      try runOnShapes(Self.point(dtype, chunk: chunk, vocab: 7)).retained == result.retained)
    #expect(result.saved.allSatisfy { !$0.description.shape.contains(point.model.vocab) })
    let logits = 4 * point.batch * min(chunk, point.nG) * point.model.vocab
    let held = result.retained.total + logits
    // Beside them forward holds the loss, and backward the gradient of the normed rows.
    let gradient = dtype.size * point.batch * point.nG * point.model.dModel
    guard chunk >= 8 else { return }
    #expect(result.peakForwardBytes == held + 4)
    #expect((held + gradient...held + gradient + 4).contains(result.peakBackwardBytes))
  }

  @Test(arguments: [("lm_head", ["U"]), ("down_proj", []), ("lm_head|norm", ["U"])])
  func `the normed rows are saved for whatever is trained`(
    trainable: String, weights: [String]
  ) throws {
    var point = Self.point(.float32, chunk: 8)
    point.trainable = written(trainable)
    let saved = try runOnShapes(point).saved.filter { $0.savers[0].scope.name == "head" }
    #expect(saved.map(\.savers[0].tensor) == ["input", "log_sum_exp"])
    #expect(saved[0].savers[0].neededFor == ["dlogits"] + weights)
  }
}
