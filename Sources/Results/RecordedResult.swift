package import Files
package import RecordedLaws
import RecordedSteps
import Recordings
package import Reporting

extension TensorBytes {
  /// A tensor of a recorded step, with what it is to the step as its name.
  fileprivate init(_ tensor: Recording.Tensor) {
    self.init(
      layer: tensor.layer, op: tensor.place, tensor: tensor.what,
      shape: tensor.shape.map(String.init).joined(separator: "x"), dtype: tensor.dtype,
      bytes: tensor.bytes)
  }
}

/// A recorded step as the tables of a result folder: a point for each of some lengths, and what
/// backward needs of it.
package struct RecordedResult {
  package let points: [PointRecord]
  package let ledger: [LedgerRecord]
  /// The tensors that are alive when most is allocated, in order of allocation, of each point.
  let atPeak: [[TensorBytes]]
  private let path: String

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
    let recording = try RecordedFile.recording(path)
    do throws(RecordingFault) {
      try self.init(path, of: [recording])
    } catch {
      throw error.of(path)
    }
  }

  /// Reads a recording, and puts it through the allocator at lengths that its laws give.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - lengths: For each variable the values that are gone through, prefixes outermost; the
  ///     recording's own where none is given.
  ///   - profile: The name that rows carry.
  /// - Throws: `FileError` for a file that is no recording, or one that has no laws for them.
  package init(
    _ path: String, at lengths: [RecordedLaws.Variable: [Int]], profile: String? = nil
  ) throws(FileError) {
    let recording = try RecordedFile.recording(path)
    do throws(RecordingFault) {
      guard lengths.contains(where: { !$0.value.isEmpty }) else {
        try self.init(path, of: [recording], profile: profile)
        return
      }
      guard let laws = try RecordedLaws(recording) else {
        throw RecordingFault(
          "has no laws, which give the step at other lengths; ballast-probe fit records it with "
            + "laws")
      }
      try self.init(path, of: try laws.recordings(at: lengths), profile: profile)
    } catch {
      throw error.of(path)
    }
  }

  private init(
    _ path: String, of recordings: [Recording], profile: String? = nil
  ) throws(RecordingFault) {
    self.path = path
    var points: [PointRecord] = []
    var ledger: [LedgerRecord] = []
    var atPeak: [[TensorBytes]] = []
    for recording in recordings {
      let step = RecordedStep(recording)
      var record = try step.record()
      record.profile = profile
      points.append(record)
      ledger += step.ledger(of: record)
      atPeak.append(step.alive(after: step.peakEvent).map { TensorBytes(recording.tensor($0)) })
    }
    (self.points, self.ledger, self.atPeak) = (points, ledger, atPeak)
  }

  /// The table of a kind; nil for one that recorded steps do not have.
  func table(_ kind: ResultKind) throws(FileError) -> ResultTable? {
    switch kind {
    case .points: try ResultTable(CSV.document(points), at: path, of: .points)
    case .ledger: try ResultTable(CSV.document(ledger), at: path, of: .ledger)
    case .laws, .gradients, .flow: nil
    }
  }
}

extension RecordedLaws {
  /// The step at every combination of some lengths.
  fileprivate func recordings(
    at lengths: [Variable: [Int]]
  ) throws(RecordingFault) -> [Recording] {
    func values(_ variable: Variable) -> [Int] {
      lengths[variable].flatMap { $0.isEmpty ? nil : $0 } ?? [own[variable]]
    }
    var recordings: [Recording] = []
    for nC in values(.nC) {
      for nG in values(.nG) {
        for batch in values(.batch) {
          do throws(OutsideLaws) {
            recordings.append(try recording(at: StepLengths(nC: nC, nG: nG, batch: batch)))
          } catch {
            throw RecordingFault(error.sentence)
          }
        }
      }
    }
    return recordings
  }
}
