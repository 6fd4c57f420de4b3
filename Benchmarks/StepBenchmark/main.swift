// Steps on demand, timed: what `scripts/bench` runs in turn with PyTorch.
//
//   step-benchmark MODEL TOKENS.json N_C N_G DTYPE THREADS
//
// Reads a line a measurement, and answers with a line of JSON:
//
//   peak SIZE                    a product of SIZE × SIZE × SIZE           {seconds, flops}
//   step MODE ATTENTION RECOMPUTE CHUNK                                     {seconds, flops, loss}
//   unrecorded MODE …            the same step, its bytes not counted
//   products MODE …              the matrix products of that step alone, one after the other

import CPUBackend
import Foundation
import Ledger
import Measurement
import Retention
import Safetensors
import Tensors
import Threading
import Transformer

struct Usage: Error {}

/// Seconds that `body` takes, and what it gives.
func timed<Result>(_ body: () throws -> Result) rethrows -> (Double, Result) {
  let clock = ContinuousClock()
  let start = clock.now
  let result = try body()
  return ((clock.now - start) / .seconds(1), result)
}

/// A model on its machine, stepped in whatever mode is asked for.
final class Bench {
  private let backend: CPUBackend
  private let model: Model
  private let settings: AxisSettings
  private let dtype: DType
  private let named: NamedModel
  private let tokens: TokenFile

  init(_ arguments: [String]) throws {
    guard arguments.count == 7, let threads = Int(arguments[6]) else { throw Usage() }
    named = try ModelSource.resolve(arguments[1])
    tokens = try TokenFile.read(arguments[2])
    var settings = AxisSettings()
    for (axis, value) in zip(["n_c", "n_g", "dtype", "threads"], arguments[3...]) {
      try settings.set(axis, value)
    }
    self.settings = settings
    backend = try CPUBackend(threads: threads)
    var request = PointRequest(model: named)
    request.settings = settings
    let planned = try request.planned()
    dtype = planned.point.dtype
    guard planned.weights != nil else { throw Usage() }
    model = try Model(
      planned.point.model, dtype: planned.point.dtype, on: backend.backend,
      values: try Checkpoints().values(for: planned))
  }

  private func request(_ settings: AxisSettings) -> PointRequest {
    var request = PointRequest(model: named)
    request.settings = settings
    return request
  }

  private func step(_ words: [Substring], recordsLedger: Bool = true) throws -> TrainingStep {
    guard words.count == 4 else { throw Usage() }
    var settings = settings
    for (axis, value) in zip(["mode", "attention", "recompute", "chunk"], words) {
      try settings.set(axis, String(value))
    }
    let point = try request(settings).planned().point
    let step = try TrainingStep(point, of: model, recordsLedger: recordsLedger)
    step.tokens = try tokens.tokens(for: point)
    return step
  }

  /// The answer to one line.
  func answer(_ line: String) throws -> String {
    let words = line.split(separator: " ")
    guard let first = words.first else { throw Usage() }
    let rest = Array(words.dropFirst())
    switch first {
    case "step", "unrecorded":
      let step = try step(rest, recordsLedger: first == "step")
      let (seconds, result) = try timed { try step.run() }
      return """
        {"seconds": \(seconds), "flops": \(result.matmulFlops), "loss": \(result.loss ?? 0)}
        """
    case "products":
      let step = try step(rest)
      // The recorded products hold their tensors, so the same memory is multiplied again.
      var products: [Product] = []
      backend.onProduct = { products.append($0) }
      _ = try step.run()
      backend.onProduct = nil
      // Attention's own tiles are none of them.
      return try multiply(products, flops: products.reduce(0) { $0 + Double($1.flops) })
    case "peak":
      guard let size = rest.first.flatMap({ Int($0) }) else { throw Usage() }
      let factory = TensorFactory(
        backend.backend, ledger: Ledger(), layout: SequenceLayout([], lossRuns: []))
      let shape = Shape(.plain(size), .plain(size))
      let (a, b, c) = (
        try factory.make("a", .scratch, shape, dtype, for: .workspace),
        try factory.make("b", .scratch, shape, dtype, for: .workspace),
        try factory.make("c", .scratch, shape, dtype, for: .workspace)
      )
      backend.fill(a, with: 0.5)
      backend.fill(b, with: 0.5)
      let flops = 2 * Double(size) * Double(size) * Double(size)
      return try multiply([Product(a, b, into: c)], flops: flops)
    default: throw Usage()
    }
  }

  private func multiply(_ products: [Product], flops: Double) throws -> String {
    let scratch = try products.map { try backend.workspaceBytes(for: [$0]) }.max() ?? 0
    let factory = TensorFactory(
      backend.backend, ledger: Ledger(), layout: SequenceLayout([], lossRuns: []))
    let workspace = try factory.make(
      "workspace", .scratch, Shape(.plain(scratch / 4 + 1)), for: .workspace)
    func run() throws {
      for product in products { try backend.multiply([product], workspace: workspace) }
    }
    try run()
    let (seconds, _) = try timed { try run() }
    return #"{"seconds": \#(seconds), "flops": \#(flops)}"#
  }
}

Threads.waitBriefly()
do {
  let bench = try Bench(CommandLine.arguments)
  while let line = readLine() {
    FileHandle.standardOutput.write(Data((try bench.answer(line) + "\n").utf8))
  }
} catch {
  FileHandle.standardError.write(Data("step-benchmark: \(error)\n".utf8))
  exit(2)
}
