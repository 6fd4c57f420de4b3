import ArgumentParser
import CUDAAllocator
import Files
import RecordedLaws
import RecordedPlans
import Recordings
import Reporting
import Retention
import Values

extension PlanCommand {
  /// Answers about a recorded step.
  ///
  /// - Throws: `ExitCode` with the status of an exceeded budget if nothing fits.
  func plan(_ opened: RecordingOptions.Opened) throws {
    let format = try Format.given(self.format, for: "format") ?? .table
    var question = RecordedPlan.Question(
      file: opened.path, recording: opened.recording, devices: try devices(opened))
    if let set { question.settings = try AllocatorSettings(set, for: "set") }
    for variable in RecordedLaws.Variable.allCases {
      guard let text = axes.text(of: variable.rawValue) else { continue }
      question.given[variable] = try opened.length(text, variable)
    }
    do {
      if let path = axes.text(of: "lengths") {
        guard opened.gpus.count < 2 else {
          throw UsageError("--lengths is about one GPU; give one with --gpu")
        }
        guard question.given[.nC] == nil else {
          throw UsageError("--n-c does not go with --lengths, whose file has it")
        }
        try show(try LengthsPlan(LengthsFile(path), question), opened, as: format)
      } else {
        try show(try RecordedPlan(question), opened, as: format)
      }
    } catch let error as RecordingFault {
      throw error.of(opened.path)
    } catch let error as OutsideLaws {
      throw UsageError("\(opened.path): \(error.sentence)")
    }
  }

  private func show(
    _ plan: some RecordedAnswers, _ opened: RecordingOptions.Opened, as format: Format
  ) throws {
    switch format {
    case .table: try Output.show(plan.text)
    case .json: try Output.write(plan.json)
    case .csv: try Output.write(CSV.document(plan.records))
    }
    for note in opened.notes { Output.note(note) }
    if !plan.fits { throw ExitCode(Status.budgetExceeded) }
  }

  private func devices(
    _ opened: RecordingOptions.Opened
  ) throws -> [RecordedPlan.Question.Device] {
    let memories = try self.memories()
    if !memories.isEmpty {
      guard opened.gpus.count < 2 else {
        throw UsageError("--memory goes with one --gpu; several have memories of their own")
      }
      let held = opened.chip?.contextBytes ?? 0
      return Set(memories).sorted().map {
        (opened.chip, DeviceMemory(total: $0, held: held))
      }
    }
    let chips = opened.gpus.isEmpty ? [opened.recording.gpu].compactMap(\.self) : opened.gpus
    guard !chips.isEmpty, chips.allSatisfy({ $0.memoryBytes != nil }) else {
      throw UsageError(
        "give --memory or --gpu: \(opened.path) was recorded for no GPU with a memory of its own")
    }
    return chips.map { ($0, DeviceMemory($0)) }
  }

  /// Options that were given and go with a model alone.
  var modelOptions: [String] {
    let given = [
      ("--model", model != nil), ("--count", count != nil),
      ("--gradient-dtype", gradientDtype != nil), ("--optimizer-step", optimizerStep != nil),
      ("--shard-parameters", shardParameters != nil), ("--shard-stage", shardStage != nil),
      ("--tensor-parallel", tensorParallel != nil), ("--sequence-parallel", sequenceParallel),
      ("--laws", laws), ("--laws-csv", lawsCsv != nil), ("--all", all),
    ]
    let lengths = RecordedLaws.Variable.allCases.map(\.rawValue) + ["lengths"]
    return given.filter(\.1).map(\.0)
      + axes.texts.filter { !lengths.contains($0.axis.name) }.map { "--\($0.axis.option)" }
  }
}

/// What is said about a recorded step, in every format, and whether it fits.
private protocol RecordedAnswers {
  associatedtype Row: Record
  var text: String { get }
  var json: String { get }
  var records: [Row] { get }
  var fits: Bool { get }
}

extension RecordedPlan: RecordedAnswers {}
extension LengthsPlan: RecordedAnswers {}
