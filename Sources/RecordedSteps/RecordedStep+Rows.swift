import CUDAAllocator
import Ledger
package import Recordings
package import Reporting
package import Retention
import Values

extension RecordedStep {
  /// The step as a point of Ballast: what the recording knows of it, every other axis as it stands
  /// where nothing is said.
  ///
  /// - Throws: `RecordingFault` for a value that its axis does not have.
  package func point() throws(RecordingFault) -> Point {
    var point = Point.standard
    point.backend = .shape
    for axis in PointAxis.all {
      guard let text = recording.point[axis.name], !text.isEmpty else { continue }
      do throws(ValueError) {
        axis.write(&point, try axis.read(WrittenText(text)))
      } catch {
        throw RecordingFault("of its point, \(error)")
      }
    }
    if recording.point["model"] == nil { point.modelName = recording.model.name }
    return point
  }

  /// The step as a row of `points.csv`.
  ///
  /// - Throws: `RecordingFault` as `point()`.
  package func record() throws(RecordingFault) -> PointRecord {
    let versions = recording.made.by.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    var record = PointRecord(
      profile: nil, point: try point(), repetition: 1, version: versions.joined(separator: ", "),
      startedAt: recording.made.at)
    record.savedTensors = kept.count
    record.retained = retained
    record.parameterBytes = standing[.parameter] ?? 0
    record.gradientBytes = standing[.gradient] ?? 0
    record.optimizerBytes = standing[.optimizerState] ?? 0
    if let failure {
      record.status = .outOfMemory
      record.error = failure.error.message
    }
    record.peakAllocatedBytes = peakAllocated
    record.peakAllocatedForwardBytes = peakAllocated(in: [.forward, .loss])
    record.peakAllocatedBackwardBytes = peakAllocated(in: [.backward])
    record.peakAllocatedOptimizerBytes = peakAllocated(in: [.clip, .optimizer])
    record.peakReservedBytes = reserved?.most
    return record
  }

  /// What is kept for backward, as rows of `ledger.csv`.
  package func ledger(of record: PointRecord) -> [LedgerRecord] {
    kept.enumerated().map { order, number in
      let tensor = recording.tensor(number)
      return LedgerRecord(
        of: record, order: order, layer: tensor.layer, op: tensor.place,
        tensor: tensor.node.isEmpty ? "saved" : tensor.node, shape: tensor.shape,
        dtype: tensor.dtype, requestedBytes: tensor.bytes, allocatedBytes: nil,
        regions: tensor.regions)
    }
  }
}

extension Recording.Tensor {
  /// The module in which it was made, without its layer's name before it, `layer` for that itself;
  /// the op where no module was running.
  package var place: String {
    guard !module.isEmpty else { return op }
    guard let layer else { return module }
    let parts = module.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = parts.firstIndex(of: "\(layer)") else { return module }
    let inside = parts[(place + 1)...].joined(separator: ".")
    return inside.isEmpty ? "layer" : inside
  }

  /// What the tensor is, in one word: with autograd's node where one holds it.
  package var what: String { node.isEmpty ? role.rawValue : node }
}
