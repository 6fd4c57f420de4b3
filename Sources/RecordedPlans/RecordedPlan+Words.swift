import CUDAAllocator
import RecordedLaws
import RecordedSteps
import Recordings
import Reporting
import Spelling

extension RecordedPlan {
  /// The model and the step, in a few words.
  static func words(_ recording: Recording) -> (model: String, step: String) {
    (model(recording), step(recording))
  }

  private static func model(_ recording: Recording) -> String {
    let name = recording.model.name.isEmpty ? "not named" : recording.model.name
    return
      ([name]
      + [("layers", " layers"), ("dtype", "")].compactMap { key, unit in
        recording.point[key].map { $0 + unit }
      }).joined(separator: ", ")
  }

  /// What step it is, by the options that it was recorded with.
  private static func step(_ recording: Recording) -> String {
    func known(_ name: String) -> String? {
      guard let text = recording.call.options[name] ?? recording.point[name] else { return nil }
      let usual = [
        "autocast": "none", "recompute": "none", "lora": "none", "base": "plain", "clip": "none",
        "accumulate": "1", "ranks": "1",
      ]
      let isNone = text.isEmpty || text == usual[name] || Double(text) == 0
      return isNone ? nil : text
    }
    var words: [String] = []
    if let text = known("optimizer") { words.append(text) }
    if let text = known("lora") { words.append("LoRA \(text)") }
    if let text = known("base") { words.append("base \(text)") }
    if let text = known("recompute") { words.append("checkpointing: \(text)") }
    if let text = known("attention") { words.append("attention \(text)") }
    if let text = known("autocast") { words.append("autocast \(text)") }
    if let text = known("dropout") { words.append("dropout \(text)") }
    if let text = known("clip") { words.append("clipped at \(text)") }
    if let text = known("accumulate") { words.append("\(text) passes a step") }
    if let text = known("ranks") { words.append("one of \(text) processes") }
    let steps = Set(recording.phases.map(\.step)).count
    words.append(steps == 1 ? "1 step" : "\(steps) steps in a row")
    return words.joined(separator: ", ")
  }

  /// A memory's name in a table: as it is typed, if that is short.
  static func name(of device: DeviceMemory) -> String {
    guard let total = device.total else { return "no limit" }
    let isShort = total % (1 << 30) == 0 || total < 1 << 30 && total % (1 << 20) == 0
    return isShort ? Units.short(total) : Units.bytes(total)
  }

  /// A device, with what of it is not PyTorch's.
  func words(_ device: DeviceMemory) -> String {
    let memory = device.total.map(Units.bytes) ?? "no limit"
    return "\(memory)"
      + (device.held > 0 ? ", of which CUDA itself takes \(Units.bytes(device.held))" : "")
  }
}

extension RecordedAnswer {
  /// Why nothing longer fits, as JSON and CSV say it.
  var endedBy: String? {
    switch end {
    case .memory: "memory"
    case .border(let border): border.border == .positions ? "positions" : "law"
    case nil: "law"
    }
  }

  /// Lengths in a table.
  func words(_ lengths: StepLengths, _ variable: RecordedLaws.Variable) -> String {
    "\(variable.rawValue) \(Units.grouped(lengths[variable]))"
  }

  /// What ends the search, in a sentence; nil without laws where the step fits.
  func endWords(_ variable: RecordedLaws.Variable?, beyond: Recording?) -> String? {
    switch end {
    case nil: return nil
    case .border(let border): return border.sentence
    case .memory(let lengths, let failure):
      let subject = variable.map { words(lengths, $0) } ?? "it"
      let moment = beyond?.place(ofEvent: failure.event).map { "in \($0): " } ?? ""
      let error = failure.error
      let cached = error.reserved - error.allocated
      let (asked, free) = (Units.bytes(error.asked), Units.bytes(error.free))
      return "memory: \(subject) does not fit, \(moment)"
        + (asked == free
          ? "\(Units.grouped(error.asked)) bytes are asked for and \(Units.grouped(error.free))"
          : "\(asked) are asked for and \(free)")
        + " are free, with \(Units.bytes(error.allocated)) in use"
        + (cached > 0 ? " and \(Units.bytes(cached)) cached in smaller pieces" : "")
    }
  }
}

extension RecordedLaws.Variable {
  /// The most of it, as a person calls it.
  var mostWords: String {
    switch self {
    case .nC: "longest prompt"
    case .nG: "longest answer"
    case .batch: "largest batch"
    }
  }

  /// As many of it as a step's growth is said for.
  var furtherWords: String {
    switch self {
    case .nC: "1,000 tokens of prompt more"
    case .nG: "1,000 tokens of answer more"
    case .batch: "a sequence more"
    }
  }
}
