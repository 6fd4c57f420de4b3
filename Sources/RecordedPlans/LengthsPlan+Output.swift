import CUDAAllocator
import RecordedLaws
import Recordings
package import Reporting
import Spelling

extension LengthsPlan {
  /// The answer as a person reads it.
  package var text: String {
    var sheet = Sheet()
    let named = RecordedPlan.words(recording)
    sheet.add("model", named.model)
    sheet.add("step", named.step)
    sheet.add(
      "samples",
      "\(Units.grouped(file.samples.count)), of \(Units.grouped(kinds.count)) different lengths")
    if raised.count > 0 {
      let isOne = raised.count == 1
      sheet.add(
        "",
        "\(Units.grouped(raised.count)) of them "
          + (isOne ? "is" : "are")
          + " shorter than where laws begin, \(Units.grouped(raised.tokens)) "
          + "tokens, and \(isOne ? "is" : "are") judged as that long: longer steps take more")
    }
    let places: [(String, Int)] = [("half of them", 500), ("99 in 100", 990), ("all", 1000)]
    for (index, place) in places.enumerated() {
      guard let peak = peak(atThousandth: place.1) else { continue }
      sheet.add(
        index == 0 ? "peaks" : "", "\(place.0) take \(Units.exactBytes(peak)) or less at the peak")
    }
    if let kind = kinds.first { sheet.add("highest peak", words(kind)) }
    if outsideCount > 0 {
      sheet.add(
        "no laws", "\(Units.grouped(outsideCount)) of the samples are not judged; the first are")
      for sample in outside { sheet.add("", "line \(sample.line): \(sample.sentence)") }
    }
    for answer in answers { add(answer, to: &sheet) }
    return sheet.text
  }

  private func words(_ kind: Kind) -> String {
    "line \(kind.line): \(RecordedLaws.words(kind.lengths))"
      + (kind.count > 1 ? " (\(Units.grouped(kind.count)) samples)" : "")
  }

  private func add(_ answer: LengthsAnswer, to sheet: inout Sheet) {
    let name = RecordedPlan.name(of: answer.device)
    let count = answer.misfitCount
    sheet.add(
      name,
      kinds.isEmpty
        ? "no sample could be judged"
        : count == 0
          ? "every sample fits" + (outsideCount > 0 ? " for which there are laws" : "")
          : "\(Units.grouped(count)) of the samples do not fit; the highest peaks have")
    for kind in answer.misfits.prefix(LengthsAnswer.listed) {
      sheet.add("", "\(words(kind)), \(Units.bytes(kind.peak)) at the peak")
    }
    if let longest = answer.longest {
      sheet.add("", "the longest that fits is \(words(longest))")
    }
    if let highest = answer.highest {
      sheet.add(
        "",
        "the highest peak that fits is \(words(highest.kind)): "
          + "\(Units.exactBytes(highest.allocated)) allocated")
    }
    if let most = answer.mostReserved, let reserved = most.reserved {
      sheet.add("", "most is reserved for \(words(most.kind)): \(Units.exactBytes(reserved))")
    }
  }
}

extension LengthsAnswer {
  /// How many samples do not fit.
  var misfitCount: Int { misfits.reduce(0) { $0 + $1.count } }
}

/// A row of what a data set takes: one memory.
package struct LengthsRecord: Sendable {
  let plan: LengthsPlan
  let answer: LengthsAnswer
}

extension LengthsRecord: Record {
  package static let columns: [Column<LengthsRecord>] = [
    Column("lengths") { .text($0.plan.file.path) },
    Column("model") { .text($0.plan.recording.model.name) },
    Column("gpu") { .text(orEmpty: $0.plan.gpu?.name) },
    Column("memory_bytes") { .integer(orEmpty: $0.answer.device.total) },
    Column("context_bytes") { .integer($0.answer.device.held) },
    Column("fits") { .text($0.plan.outsideCount + $0.answer.misfitCount == 0 ? "yes" : "no") },
    Column("samples") { .integer($0.plan.file.samples.count) },
    Column("different_lengths") { .integer($0.plan.kinds.count) },
    Column("samples_without_laws") { .integer($0.plan.outsideCount) },
    Column("samples_that_do_not_fit") { .integer($0.answer.misfitCount) },
    Column("median_peak_bytes") { .integer(orEmpty: $0.plan.peak(atThousandth: 500)) },
    Column("peak_99_percent_bytes") { .integer(orEmpty: $0.plan.peak(atThousandth: 990)) },
    Column("highest_peak_bytes") { .integer(orEmpty: $0.plan.kinds.first?.peak) },
    Column("highest_peak_line") { .integer(orEmpty: $0.plan.kinds.first?.line) },
    Column("longest_line") { .integer(orEmpty: $0.answer.longest?.line) },
    Column("longest_n_c") { .integer(orEmpty: $0.answer.longest?.lengths.nC) },
    Column("longest_n_g") { .integer(orEmpty: $0.answer.longest?.lengths.nG) },
    Column("peak_allocated_line") { .integer(orEmpty: $0.answer.highest?.kind.line) },
    Column("peak_allocated_bytes") { .integer(orEmpty: $0.answer.highest?.allocated) },
    Column("peak_reserved_line") { .integer(orEmpty: $0.answer.mostReserved?.kind.line) },
    Column("peak_reserved_bytes") { .integer(orEmpty: $0.answer.mostReserved?.reserved) },
    Column("samples_shorter_than_laws") { .integer($0.plan.raised.count) },
  ]

  fileprivate var json: JSONText {
    var members = JSONObject.members(of: self).map { name, value in
      name == "fits" ? (name, .bool(plan.outsideCount + answer.misfitCount == 0)) : (name, value)
    }
    func object(_ line: Int, _ rest: [(name: String, value: JSONText)]) -> JSONText {
      .object([("line", .integer(line))] + rest)
    }
    members.append(
      (
        "do_not_fit",
        .array(
          answer.misfits.prefix(LengthsAnswer.listed).map { kind in
            object(
              kind.line,
              [
                ("n_c", .integer(kind.lengths.nC)), ("n_g", .integer(kind.lengths.nG)),
                ("samples", .integer(kind.count)), ("peak_bytes", .integer(kind.peak)),
              ])
          })
      ))
    members.append(
      (
        "without_laws",
        .array(plan.outside.map { object($0.line, [("sentence", .string($0.sentence))]) })
      ))
    return .object(members, .lines(2))
  }
}

extension LengthsPlan {
  /// Every memory, for files.
  package var records: [LengthsRecord] { answers.map { LengthsRecord(plan: self, answer: $0) } }

  /// One object for one memory; for several one with `rows`.
  package var json: String {
    let rows = records.map(\.json)
    if rows.count == 1, let row = rows.first { return row.text + "\n" }
    return JSONText.object([("rows", .array(rows, .lines(2)))], .lines(2)).text + "\n"
  }
}
