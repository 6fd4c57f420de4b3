import ArgumentParser
import CUDAAllocator
import Files
import Measurement
import RecordedSteps
import Recordings
import Spelling
import Values

/// `ballast allocator`: what PyTorch's allocator makes of what a run, or a recorded step, asks for.
struct AllocatorCommand: ParsableCommand {
  /// How the answer is printed.
  enum Format: String, AxisWord {
    case table, json
  }

  static let configuration = CommandConfiguration(
    commandName: "allocator",
    abstract: "Say what a GPU's allocator holds and reserves for a snapshot or a recorded step.",
    usage: "ballast allocator <file> [<options>]",
    discussion: """
      FILE is a memory snapshot that torch.cuda.memory._dump_snapshot wrote, or a recording of \
      ballast-probe record. A snapshot is read without running anything in it: plain values alone, \
      a class in it is refused by its name.

      PyTorch's caching allocator is replayed, request by request: what is held where most is \
      allocated, and what CUDA is asked for. Which addresses the driver hands out decides ties, so \
      reserved bytes are a range over several orders.

      EXAMPLES
        ballast allocator snapshot.pickle
            what the run held at its peak, and why so much was reserved
        ballast allocator snapshot.pickle --set expandable_segments:True
            what it would have reserved with expandable segments
        ballast allocator snapshot.pickle --set max_split_size_mb:128 --gpu a100-40gb
            whether it fits a smaller GPU so
        ballast allocator recording.json.gz --memory 24GiB --json -
            the same of a step that no GPU has run yet, as JSON
      """)

  @Argument(
    help: ArgumentHelp(
      "A snapshot (.pickle) or a recording (recording.json.gz).", valueName: "file"),
    completion: .file(extensions: ["pickle", "gz", "json"]))
  var file: String
  @Option(
    help: ArgumentHelp(
      "Options of PYTORCH_CUDA_ALLOC_CONF that are changed, such as "
        + "expandable_segments:True,garbage_collection_threshold:0.8.",
      valueName: "name:value"))
  var set: String?
  @Option(
    help: ArgumentHelp(
      "The GPU whose memory there is: \(GPU.names.joined(separator: ", ")), or a JSON file of "
        + "another (default: no limit).",
      valueName: "name"),
    completion: .words(GPU.names, orFiles: ["json"]))
  var gpu: String?
  @Option(
    parsing: .unconditional,
    help: "All memory of the device in place of the GPU's, such as 24GiB.")
  var memory: String?
  @Option(
    parsing: .unconditional,
    help: "The device of a snapshot (default: the first that has anything).")
  var device: Int?
  @Option(
    help: ArgumentHelp(
      "Write all figures as one JSON object to a file, or to standard output with -.",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var json: String?
  @Option(
    help: """
      How the answer is printed: \(Format.words.joined(separator: ", ")) (default: table; with an \
      output to -, which is standard output, it is not printed).
      """,
    completion: .list(Format.words))
  var format: String?

  func run() throws {
    let format = try Format.given(self.format, for: "format") ?? .table
    let gpu = try self.gpu.map(GPU.given)
    let memory = try deviceMemory(gpu)
    _ = try set.map { try AllocatorSettings($0, for: "set") }
    let outputs = try Outputs(
      [("--json", json)], format: self.format,
      from: [NamedFile("the file", file)] + (self.gpu.map { [NamedFile("--gpu", $0)] } ?? []))
    let recorded = try RecordedFile(file)
    let (stream, kind, number) = try self.stream(of: recorded)
    var changed: AllocatorSettings?
    if let set {
      changed = stream.run?.settings ?? AllocatorSettings()
      try changed?.apply(set)
      try requireMemory(for: changed, memory)
    }
    let answer = AllocatorAnswer(stream, changed: changed, device: memory)
    let text = { answer.json(file: file, kind: kind, device: number).text + "\n" }
    try outputs.write("--json", text())
    guard outputs.printsRow else { return }
    switch format {
    case .json: try Output.write(text())
    case .table:
      let title = kind == "snapshot" ? "\(file), device \(number)" : file
      try Output.show(answer.text(title: title, moment: moment(of: answer.peakEvent, in: recorded)))
    }
  }

  /// What there is of memory, by `--gpu` and `--memory`.
  private func deviceMemory(_ gpu: GPU?) throws -> DeviceMemory {
    guard let memory else { return gpu.map { DeviceMemory($0) } ?? .unlimited }
    return DeviceMemory(
      total: try ByteSize(memory, for: "memory").bytes, held: gpu?.contextBytes ?? 0)
  }

  /// Shares of memory are of some memory.
  private func requireMemory(for settings: AllocatorSettings?, _ memory: DeviceMemory) throws {
    guard let settings, memory.total == nil else { return }
    guard settings.garbageCollectionThreshold == 0, settings.memoryFraction == 1 else {
      throw UsageError(
        "--set names a share of the device's memory; give --gpu or --memory with it")
    }
  }

  private func stream(
    of recorded: RecordedFile
  ) throws -> (stream: MemoryStream, kind: String, device: Int) {
    switch recorded {
    case .snapshot(let snapshot):
      let devices = snapshot.devices
      let busy = devices.first { snapshot.eventCount(ofDevice: $0) > 0 }
      let number = device ?? busy ?? devices.first
      let others = devices.filter { $0 != number }
      do throws(RecordingFault) {
        let stream = try snapshot.stream(ofDevice: number ?? 0)
        if !others.isEmpty, device == nil {
          Output.note(
            "\(file): this is device \(number ?? 0); --device takes another of "
              + others.map(String.init).joined(separator: ", "))
        }
        return (stream, "snapshot", number ?? 0)
      } catch {
        throw error.of(file)
      }
    case .recording(let recording):
      try refuseDevice("a recording is of one device")
      if let note = recording.note(readBy: BallastVersion.current) {
        Output.note("\(file) \(note)")
      }
      return (recording.memoryStream, "recording", 0)
    case .trace(let stream):
      try refuseDevice("a trace is of one device")
      return (stream, "trace", 0)
    }
  }

  private func refuseDevice(_ reason: String) throws {
    guard device == nil else { throw UsageError("--device goes with a snapshot; \(reason)") }
  }

  /// What a recorded step was at.
  private func moment(of event: Int, in recorded: RecordedFile) -> String? {
    guard case .recording(let recording) = recorded, event >= 0 else { return nil }
    return recording.phase(ofEvent: event)?.words
  }
}
