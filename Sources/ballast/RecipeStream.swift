import CUDAAllocator
import Foundation
import Measurement
import PyTorchSteps
import RecordedSteps
import Recordings
import Reporting
import Retention
import Spelling
import Values

/// A recipe's step, allocation by allocation, as a recording.
struct RecipeStream {
  private let steps: TrainedSteps
  private let point: Point
  private let gpu: GPU?

  /// - Parameters:
  ///   - point: What is asked.
  ///   - gpu: The GPU that it runs on; nil for a CPU.
  /// - Throws: `UsageError` for a step that no recipe gives allocation by allocation.
  init(_ point: Point, on gpu: GPU?) throws {
    (self.point, self.gpu) = (point, gpu)
    guard point.recipe != .ballast else {
      throw UsageError(
        "--stream is about PyTorch's step; give --recipe transformers-sdpa or transformers-eager")
    }
    let device = gpu.map(\.stepDevice) ?? .cpu
    guard let steps = TrainedSteps(point, on: device) else {
      throw UsageError(
        "--stream takes plain training steps: mode full-graph, next-token rows, one length, no "
          + "dropout, no modules_to_save, optimizer none or adamw, and attention that a kernel of "
          + "the GPU's takes as it is; ballast-probe record takes all others")
    }
    self.steps = steps
  }

  /// The recording's file, not packed.
  var json: String {
    let words = PointAxis.all.map { ($0.name, $0.value(point).text) }
    let formatter = ISO8601DateFormatter()
    let recording = Recording(
      steps.stream(),
      layout: Recording.StepLayout(nC: point.nC, nG: point.nG, batch: point.sequences),
      madeAt: formatter.string(from: Date()), by: ["ballast": BallastVersion.current],
      command: "ballast measure --stream", model: point.modelName, gpu: gpu,
      point: Dictionary(uniqueKeysWithValues: words.filter { !$0.1.isEmpty }),
      assumptions: assumptions)
    return recording.json.text + "\n"
  }

  private var assumptions: [String] {
    [
      "counted on shapes by the recipe \(point.recipe.written), for \(Recipe.versions)",
      gpu == nil
        ? nil : "what kernels take for themselves is not counted, but for cuBLAS's workspace",
      "what a model returns is dropped before backward, as transformers' Trainer does",
    ].compactMap(\.self)
  }
}

extension GPU {
  /// What of it decides about PyTorch's step.
  var stepDevice: StepDevice {
    .cuda(prefersCuDNN: prefersCuDNN, workspace: cublasWorkspaceBytes)
  }

  /// Whether PyTorch tries cuDNN's attention first: capabilities 9 and 10.
  private var prefersCuDNN: Bool {
    ["9", "10"].contains(computeCapability.split(separator: ".").first.map(String.init) ?? "")
  }
}
