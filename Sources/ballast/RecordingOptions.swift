import ArgumentParser
import CUDAAllocator
import Files
import Measurement
import RecordedSteps
import Recordings
import Values

/// A step that PyTorch's recorder has taken down, in place of a point that is run.
struct RecordingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A step that ballast-probe record has taken down, in place of a model and a point; figures \
      are then those of PyTorch's allocator.
      """, valueName: "file"))
  var recording: String?
  @Option(
    help: ArgumentHelp(
      """
      The GPU that the recorded step has to fit: \(GPU.names.joined(separator: ", ")), or a JSON \
      file of another (default: the one that it was recorded for; --memory says its memory).
      """, valueName: "name"))
  var gpu: String?

  /// A recorded step, with the device that it has to fit.
  struct Recorded {
    let path: String
    let recording: Recording
    let gpu: GPU?
    let device: DeviceMemory

    var step: RecordedStep { RecordedStep(recording, device: device) }

    /// Sentences about how far the figures reach.
    var notes: [String] {
      var notes = recording.memoryStream.notes
      if let note = recording.note(readBy: BallastVersion.current) {
        notes.append("\(path) \(note)")
      }
      if let gpu, let made = recording.gpu, gpu.name != made.name {
        notes.append(
          "\(path) was recorded for \(made.name), whose kernels' temporaries it holds; record it "
            + "again with --gpu \(gpu.name) to have those of \(gpu.name)")
      }
      return notes
    }
  }

  /// The recorded step that was named; nil for none.
  ///
  /// - Parameters:
  ///   - memory: What `--memory` says, in bytes.
  ///   - others: Options that were given and go with a point alone.
  ///   - isForStream: Whether `--gpu` may say where a recipe's step runs.
  /// - Returns: The step, with the device that was asked about.
  /// - Throws: `UsageError` for options that do not go together, `FileError` for a file that is no
  ///   recording, `ValueError` for no GPU.
  func recorded(
    memory: Int?, besides others: [String], isForStream: Bool = false
  ) throws -> Recorded? {
    guard let recording else {
      guard gpu == nil || isForStream else { throw UsageError("--gpu goes with --recording") }
      return nil
    }
    if let other = others.first {
      throw UsageError("\(other) does not go with --recording, which says all about its step")
    }
    let read = try RecordedFile.recording(recording)
    let given = try gpu.map(GPU.given)
    let chip = given ?? read.gpu
    let device =
      memory.map { DeviceMemory(total: $0, held: chip?.contextBytes ?? 0) }
      ?? chip.map { DeviceMemory($0) } ?? .unlimited
    return Recorded(path: recording, recording: read, gpu: given, device: device)
  }
}
