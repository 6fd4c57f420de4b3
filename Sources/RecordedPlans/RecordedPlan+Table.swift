import CUDAAllocator
import RecordedLaws
import RecordedSteps
import Recordings
import Reporting
import Spelling

extension RecordedPlan {
  /// The plan as a person reads it.
  package var text: String {
    var sheet = Sheet()
    let named = Self.words(recording)
    if let only = answers.first, answers.count == 1 {
      addLengths(only, to: &sheet)
      sheet.add("model", named.model)
      sheet.add("step", named.step)
      sheet.add(recording.device == .cuda ? "GPU" : "memory", deviceWords(only))
      add(only, to: &sheet)
      add(assumptions: recording.assumptions, to: &sheet)
      return sheet.text
    }
    sheet.add("model", named.model)
    sheet.add("step", named.step)
    let chips = Set(answers.compactMap(\.gpu?.name))
    if chips.count == 1, let gpu = answers[0].gpu { sheet.add("GPU", gpu.title) }
    add(assumptions: recording.assumptions, to: &sheet)
    return sheet.text + "\n" + table + ends
  }

  private func deviceWords(_ answer: RecordedAnswer) -> String {
    (answer.gpu.map { "\($0.title): " } ?? "") + words(answer.device)
  }

  // MARK: One memory

  private func add(_ answer: RecordedAnswer, to sheet: inout Sheet) {
    sheet.add(
      answer.fits ? "peak" : "peak there",
      "\(Units.exactBytes(answer.peakAllocated)) allocated"
        + (answer.peakReserved.map { ", \(Units.exactBytes($0)) reserved of the GPU" } ?? ""))
    if let least = answer.leastReserved, let most = answer.peakReserved,
      Units.bytes(least) != Units.bytes(most)
    {
      sheet.add(
        "",
        "\(Units.exactBytes(least)) reserved at least: it depends on the addresses that CUDA gives")
    }
    if let left = answer.left {
      sheet.add("left", "\(Units.bytes(left)) of the memory, never reserved")
    }
    if answer.fits, answer.retries > 0 {
      let times = answer.retries == 1 ? "once" : "\(Units.grouped(answer.retries)) times"
      sheet.add(
        "",
        "\(times) in these steps memory runs out, the allocator frees its cache and goes on: slow, "
          + "but no error")
    }
    if let moment = answer.step.moment(ofEvent: answer.peakEvent) { sheet.add("peak at", moment) }
    let held = HeldAtPeak(answer.step, after: answer.peakEvent)
    let roles = held.roles.map {
      "\(Units.bytes($0.bytes)) \($0.role.words)\(held.typeWords($0.role))"
    }
    let rounding = held.rounding(of: answer.peakAllocated).map {
      "\(Units.bytes($0)) of the allocator's rounding"
    }
    sheet.add("held there", (roles + [rounding].compactMap(\.self)).joined(separator: ", "))
    sheet.add("largest", lines: held.kinds.prefix(5).map(Self.line))
    if let variable, let further = answer.further {
      sheet.add("growth", "\(variable.furtherWords): \(Units.bytes(further)) at the peak")
    }
  }

  private func addLengths(_ answer: RecordedAnswer, to sheet: inout Sheet) {
    guard let variable else {
      if let lengths = answer.lengths { sheet.add("lengths", RecordedLaws.words(lengths)) }
      let subject = laws == nil ? "the recorded step" : "this step"
      sheet.add("answer", subject + (answer.fits ? " fits" : " does not fit"))
      if let words = endWords(answer) { sheet.add("why", words) }
      if laws == nil {
        sheet.add(
          "", "of other lengths: ballast-probe fit, without --n-c for the longest prompt")
      }
      if !answer.fits { sheet.add("it takes", neededWords(answer)) }
      return
    }
    guard answer.fits, let lengths = answer.lengths else {
      let shortest = answer.lengths.map(RecordedLaws.words) ?? ""
      sheet.add(
        variable.mostWords,
        "none: the least that was recorded, \(shortest), takes "
          + neededWords(answer))
      if let words = endWords(answer) { sheet.add("limited by", words) }
      return
    }
    var unit = ""
    if variable != .batch { unit = " tokens" }
    let atLeast = answer.endedBy == "law" ? "at least " : ""
    sheet.add(
      variable.mostWords,
      "\(atLeast)\(Units.grouped(lengths[variable]))\(unit): n_c \(Units.grouped(lengths.nC)) of "
        + "prompt and n_g \(Units.grouped(lengths.nG)) of answer make sequences of "
        + "\(Units.grouped(lengths.tokens)), batch \(Units.grouped(lengths.batch))")
    if let words = endWords(answer) { sheet.add("limited by", words) }
    if let bound = answer.bound?[variable], bound > lengths[variable] {
      sheet.add(
        "",
        "more than \(Units.grouped(bound))\(unit) never fit; of those between some may, by how "
          + "memory falls into pieces")
    }
    if let more = answer.expandable?[variable] {
      sheet.add(
        "more fit",
        "\(Units.grouped(more))\(unit) with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True")
    }
  }

  private func neededWords(_ answer: RecordedAnswer) -> String {
    "\(Units.bytes(answer.needed)) of memory"
      + (answer.device.held > 0
        ? ", of which CUDA itself takes \(Units.bytes(answer.device.held))" : "")
  }

  /// What ends a search, with the step that does not fit at hand.
  func endWords(_ answer: RecordedAnswer) -> String? {
    var beyond: Recording? = variable == nil ? answer.step : nil
    if case .memory(let lengths, _) = answer.end, variable != nil {
      beyond = try? laws?.recording(at: lengths)
    }
    return answer.endWords(variable, beyond: beyond)
  }

  private static func line(_ kind: HeldAtPeak.Kind) -> String {
    let shape = kind.shape.map(String.init).joined(separator: "×")
    return Units.bytes(kind.total)
      + (kind.count > 1 ? " (\(kind.count) × \(Units.bytes(kind.bytes)))" : "")
      + " \(kind.role.words), \(kind.op)" + (kind.place == kind.op ? "" : " in \(kind.place)")
      + (shape.isEmpty ? "" : ", \(shape)") + (kind.dtype.isEmpty ? "" : " \(kind.dtype)")
  }

  private func add(assumptions: [String], to sheet: inout Sheet) {
    sheet.add("assumed", lines: assumptions)
  }

  // MARK: Several memories

  private var table: String {
    let most = variable.map { "\($0.mostWords) (\($0.rawValue))" } ?? "fits"
    var table = TextTable([
      ("memory", .right), (most, .right), ("tokens", .right), ("allocated", .right),
      ("reserved", .right), ("left", .right), ("ended by", .left),
    ])
    for answer in answers {
      let lengths = answer.lengths
      let number = variable.flatMap { lengths?[$0] }.map(Units.grouped)
      let atLeast = answer.endedBy == "law" && answer.fits ? "at least " : ""
      table.add([
        name(of: answer),
        answer.fits ? atLeast + (number ?? "yes") : "none",
        answer.fits ? (lengths.map { Units.grouped($0.tokens) } ?? "") : "",
        Units.bytes(answer.peakAllocated), answer.peakReserved.map(Units.bytes) ?? "",
        answer.left.map(Units.bytes) ?? "", answer.endedBy ?? "",
      ])
    }
    return table.text
  }

  /// A memory in a table, with its GPU where there are several.
  private func name(of answer: RecordedAnswer) -> String {
    let chips = Set(answers.compactMap(\.gpu?.name))
    let memory = Self.name(of: answer.device)
    return chips.count > 1 ? (answer.gpu.map { "\($0.name), \(memory)" } ?? memory) : memory
  }

  /// What ends each.
  private var ends: String {
    var sheet = Sheet()
    for answer in answers {
      guard let words = endWords(answer) else { continue }
      sheet.add(name(of: answer), words)
    }
    return sheet.text.isEmpty ? "" : "\n" + sheet.text
  }
}
