import ArgumentParser
import CUDAAllocator
import Files
import Measurement
import RecordedLaws
import RecordedPlans
import RecordedSteps
import Recordings
import Reporting
import Retention
import Spelling
import Values

/// A step that PyTorch's recorder has taken down, in place of a point that is run.
struct RecordingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A step that ballast-probe record has taken down, in place of a model and a point; figures \
      are then those of PyTorch's allocator.
      """, valueName: "file"),
    completion: .file(extensions: ["gz", "json"]))
  var recording: String?
  @Option(
    help: ArgumentHelp(
      """
      The GPU that the recorded step has to fit: \(GPU.names.joined(separator: ", ")), or a JSON \
      file of another (default: the one that it was recorded for; --memory says its memory). \
      plan takes several, separated by commas; with --recipe it is the one that PyTorch's step \
      runs on.
      """, valueName: "name"),
    completion: .list(of: GPU.names, orFiles: ["json"]))
  var gpu: String?

  /// A recorded step, and the GPU that was asked about.
  struct Opened {
    let path: String
    let recording: Recording
    /// Those that were given; none for the recording's own.
    let gpus: [GPU]

    /// The GPU whose memory counts, the first of several.
    var chip: GPU? { gpus.first ?? recording.gpu }

    /// Sentences about how far the figures reach.
    var notes: [String] {
      var notes = recording.notes
      if let note = recording.note(readBy: BallastVersion.current) {
        notes.append("\(path) \(note)")
      }
      if recording.device == .cuda, chip == nil {
        notes.append(
          "\(path) names no GPU, so that no memory is taken off for the driver's context; --gpu "
            + "says which it is")
      }
      let others = gpus.map(\.name).filter { $0 != recording.gpu?.name }
      if let made = recording.gpu, let first = others.first {
        notes.append(
          "\(path) was recorded for \(made.name), and kernels of \(Words.list(others)) may take "
            + "other temporaries; record it again with --gpu \(first) to have "
            + (others.count == 1 ? "its own" : "those of each"))
      }
      return notes
    }
  }

  /// A recorded step, with the device that it has to fit.
  struct Recorded {
    let opened: Opened
    let device: DeviceMemory
    /// Whether a memory was named, with which the command says by its status whether it fits.
    let isAskedToFit: Bool

    var path: String { opened.path }
    var step: RecordedStep { RecordedStep(opened.recording, device: device) }
    var notes: [String] { opened.notes }
  }

  /// The file that was named; nil for none.
  ///
  /// - Parameters:
  ///   - others: Options that were given and go with a point alone.
  ///   - takesSeveral: Whether several GPUs may be given.
  ///   - isForStream: Whether `--gpu` may say where a recipe's step runs.
  /// - Returns: The recording, with the GPUs that were given.
  /// - Throws: `UsageError` for options that do not go together, `FileError` for a file that is no
  ///   recording, `ValueError` for no GPU.
  func opened(
    besides others: [String], takesSeveral: Bool = false, isForStream: Bool = false
  ) throws -> Opened? {
    guard let recording else {
      guard gpu == nil || isForStream else { throw UsageError("--gpu goes with --recording") }
      return nil
    }
    if let other = others.first {
      throw UsageError("\(other) does not go with --recording, which says all about its step")
    }
    let names =
      gpu.map {
        takesSeveral
          ? $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) : [$0]
      } ?? []
    if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
      throw UsageError("--gpu names \(quoted(names[twice])) more than once; name it once")
    }
    if names.contains("") {
      throw UsageError("--gpu \(quoted(gpu ?? "")) has an empty name; write it as --gpu h100,h200")
    }
    return Opened(
      path: recording, recording: try RecordedFile.recording(recording),
      gpus: try names.map(GPU.given))
  }

  /// The recorded step that was named; nil for none.
  ///
  /// - Parameters:
  ///   - memory: What `--memory` says, in bytes.
  ///   - lengths: Lengths that were given, for which the recording's laws give the step.
  ///   - others: Options that were given and go with a point alone.
  ///   - isForStream: Whether `--gpu` may say where a recipe's step runs.
  /// - Returns: The step, with the device that was asked about.
  /// - Throws: `UsageError` for options that do not go together, `FileError` for a file that is no
  ///   recording, `ValueError` for no GPU.
  func recorded(
    memory: Int?, at lengths: [(variable: RecordedLaws.Variable, text: String)] = [],
    besides others: [String], isForStream: Bool = false
  ) throws -> Recorded? {
    guard let file = try opened(besides: others, isForStream: isForStream) else { return nil }
    let opened = try file.evaluated(at: lengths)
    let device =
      memory.map { DeviceMemory(total: $0, held: opened.chip?.contextBytes ?? 0) }
      ?? opened.chip.map { DeviceMemory($0) } ?? .unlimited
    return Recorded(
      opened: opened, device: device, isAskedToFit: memory != nil || !opened.gpus.isEmpty)
  }
}

extension RecordingOptions.Opened {
  /// The step at some lengths, by the laws of the recording; its own where none is given.
  func evaluated(at lengths: [(variable: RecordedLaws.Variable, text: String)]) throws -> Self {
    guard !lengths.isEmpty else { return self }
    do {
      guard let laws = try RecordedLaws(recording) else { throw RecordedPlan.withoutLaws }
      var wanted = laws.own
      for (variable, text) in lengths { wanted[variable] = try length(text, variable) }
      return Self(path: path, recording: try laws.recording(at: wanted), gpus: gpus)
    } catch let error as RecordingFault {
      throw error.of(path)
    } catch let error as OutsideLaws {
      throw UsageError("\(path): \(error.sentence)")
    }
  }

  /// A length that was given: a whole number of 0 or more, and no more than a point may have.
  func length(_ text: String, _ variable: RecordedLaws.Variable) throws -> Int {
    let least = variable == .batch ? 1 : 0
    let most = PointAxis.named(variable.rawValue).range?.upperBound ?? .max
    guard let number = Int(text), (least...most).contains(number) else {
      throw UsageError(
        "--\(variable.rawValue.replacing("_", with: "-")) must be a whole number from \(least) to "
          + "\(Units.grouped(most)), not \(quoted(text))")
    }
    return number
  }
}
