// Compares a whole training step with its own matrix products run alone by oneDNN, in one process:
// how much of the products' speed is left when everything else that a step does is added.

import CPUBackend
import Foundation
import Ledger
import Retention
import Tensors
import Transformer

/// One layer of the profile `one-layer`, n = 2304.
func makePoint(attention: AttentionMemory) -> Point {
  var point = Point(
    modelName: "one-layer",
    model: DecoderConfiguration(dModel: 512, heads: 8, dFF: 1408, vocab: 8192), nC: 2176, nG: 128)
  point.attention = attention
  point.threads = ProcessInfo.processInfo.activeProcessorCount
  return point
}

/// The middle one of the times.
func median(_ seconds: [Double]) -> Double { seconds.sorted()[seconds.count / 2] }

/// Seconds that `body` takes.
func time(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  try body()
  return (clock.now - start) / .seconds(1)
}

/// Times step and products by turns and prints a line of the table.
func compare(_ attention: AttentionMemory, rounds: Int) throws {
  let point = makePoint(attention: attention)
  let backend = try CPUBackend(threads: point.threads)
  let step = try TrainingStep(point, on: backend.backend)

  // The recorded products hold their tensors, so the same memory is multiplied again below.
  var products: [Product] = []
  backend.onProduct = { products.append($0) }
  let result = try step.run()
  backend.onProduct = nil
  let scratch = try products.map { try backend.workspaceBytes(for: $0) }.max() ?? 0
  let factory = TensorFactory(backend.backend, ledger: step.ledger, layout: point.layout)
  let workspace = try factory.make("workspace", Shape(.plain(scratch / 4 + 1)), for: .workspace)

  var alone: [Double] = []
  var whole: [Double] = []
  for _ in 0..<rounds {
    alone.append(
      try time {
        for product in products { try backend.multiply(product, workspace: workspace) }
      })
    whole.append(try time { _ = try step.run() })
  }
  let flops = Double(result.matmulFlops) / 1e9
  let row = [
    attention.rawValue.padding(toLength: 14, withPad: " ", startingAt: 0),
    String(format: "%8.1f", flops), String(format: "%10.3f s", median(alone)),
    String(format: "%8.0f", flops / median(alone)), String(format: "%10.3f s", median(whole)),
    String(format: "%8.0f", flops / median(whole)),
    String(format: "%7.0f %%", 100 * median(alone) / median(whole)),
  ]
  print(row.joined(separator: " "))
}

print("one layer, d_model 512, 8 heads, d_ff 1408, n 2304, float32, full-graph; medians of 7")
print("attention         GFLOP   products  GFLOP/s       step    GFLOP/s  step/own speed")
try compare(.materialized, rounds: 7)
try compare(.fused, rounds: 7)
