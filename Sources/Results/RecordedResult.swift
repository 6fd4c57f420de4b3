import Files
import RecordedSteps
import Recordings
import Reporting

extension TensorBytes {
  /// A tensor of a recorded step, with what it is to the step as its name.
  fileprivate init(_ tensor: Recording.Tensor) {
    self.init(
      layer: tensor.layer, op: tensor.place, tensor: tensor.what,
      shape: tensor.shape.map(String.init).joined(separator: "x"), dtype: tensor.dtype,
      bytes: tensor.bytes)
  }
}

/// A recorded step as the tables of a result folder: one point, and what backward needs of it.
struct RecordedResult {
  private let points: ResultTable
  private let ledger: ResultTable
  /// The tensors that are alive when most is allocated, in order of allocation.
  let atPeak: [TensorBytes]

  /// The recording that a path names: the file itself, or one in a folder without points.
  static func file(at path: String) -> String? {
    if Paths.isDirectory(path) {
      let place = RecordedFile.place(path)
      let hasPoints = Paths.exists(Paths.join(path, ResultKind.points.file))
      return Paths.exists(place) && !hasPoints ? place : nil
    }
    let isNamedSo = path.hasSuffix(".json.gz") || path.hasSuffix(".json")
    return isNamedSo && Paths.exists(path) ? path : nil
  }

  /// Reads a recording, and puts it through the allocator.
  ///
  /// - Throws: `FileError` for a file that is no recording, or of which no point can be made.
  init(_ path: String) throws(FileError) {
    let step = RecordedStep(try RecordedFile.recording(path))
    let record: PointRecord
    do throws(RecordingFault) { record = try step.record() } catch { throw error.of(path) }
    points = try ResultTable(CSV.document([record]), at: path, of: .points)
    ledger = try ResultTable(CSV.document(step.ledger(of: record)), at: path, of: .ledger)
    atPeak = step.alive(after: step.peakEvent).map { TensorBytes(step.recording.tensor($0)) }
  }

  /// The table of a kind; nil for one that a single step does not have.
  func table(_ kind: ResultKind) -> ResultTable? {
    switch kind {
    case .points: points
    case .ledger: ledger
    case .laws, .gradients, .flow: nil
    }
  }
}
