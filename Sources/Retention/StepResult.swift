package import Ledger
package import PyTorchSteps

/// What one training step kept, at most held, and took.
package struct StepResult: Sendable {
  /// The mean cross-entropy over loss rows; nil where nothing is computed.
  package var loss: Double?
  /// The retained storages, in the order of their first saving; some stand for several.
  package var saved: [SavedStorage]
  package var peakForwardBytes: Int
  package var peakBackwardBytes: Int
  package var workspacePeakBytes: Int
  package var parameterBytes: Int
  package var gradientBytes: Int
  /// The trained parameters, as far as this device holds them.
  package var trained: TrainedParameters
  /// The most allocated bytes alive at once, all categories together, parameters included: what a
  /// limit is held against.
  package var peakAllocatedBytes: Int
  /// State of the point's optimizer, which is counted alone.
  package var optimizerBytes: Int
  /// Multiplications and additions of all products; beyond 64 bits for a long prefix.
  package var matmulFlops: Int128
  /// Wall-clock seconds; nil where nothing is computed.
  package var forwardSeconds: Double?
  package var backwardSeconds: Double?
  /// What PyTorch's step holds at the most on a GPU, with an optimizer; nil where nobody asked.
  package var pytorch: (optimizer: Optimizer, peaks: StepPeaks)?

  /// How many storages are retained.
  package var savedTensors: Int { saved.reduce(0) { $0 + $1.copies } }
  /// Retained requested bytes by region.
  package var retained: RegionBytes {
    saved.reduce(into: RegionBytes()) { $0 += $1.description.regions * $1.copies }
  }
  /// Retained bytes as jemalloc's size classes give them.
  package var retainedAllocatedBytes: Int {
    saved.reduce(0) { $0 + $1.description.allocatedBytes * $1.copies }
  }
  /// The most requested activation bytes alive at once in the step.
  package var peakBytes: Int { max(peakForwardBytes, peakBackwardBytes) }
}

extension StepResult {
  /// Takes the peaks of a recipe's step on a CPU, and gradients of the parameters' own types, from
  /// PyTorch's own order of events, as far as that is known.
  mutating func takePyTorchsPeaks(of point: Point) {
    guard point.recipe != .ballast else { return }
    gradientBytes = trained.bytes()
    var point = point
    point.optimizer = .none
    guard let peaks = TrainedSteps(point, on: .cpu)?.peaks() else { return }
    (peakForwardBytes, peakBackwardBytes) = (peaks.forward, peaks.backward)
  }
}
