import CUDAAllocator
import RecordedLaws
import RecordedSteps
import Recordings
package import Reporting
import Spelling

/// A row of a plan of a recording: one memory.
package struct RecordedPlanRecord: Sendable {
  let plan: RecordedPlan
  let answer: RecordedAnswer
  /// The longest that fits.
  fileprivate var longest: StepLengths? { answer.fits ? answer.lengths : nil }
}

extension RecordedPlanRecord: Record {
  package static let columns: [Column<RecordedPlanRecord>] =
    [
      Column("file") { .text($0.plan.file) },
      Column("model") { .text($0.plan.recording.model.name) },
      Column("gpu") { .text(orEmpty: $0.answer.gpu?.name) },
      Column("memory_bytes") { .integer(orEmpty: $0.answer.device.total) },
      Column("context_bytes") { .integer($0.answer.device.held) },
      Column("solves") { .text(orEmpty: $0.plan.variable?.rawValue) },
      Column("fits") { .text($0.answer.fits ? "yes" : "no") },
      Column("n_c") { .integer(orEmpty: $0.longest?.nC) },
      Column("n_g") { .integer(orEmpty: $0.longest?.nG) },
      Column("batch") { .integer(orEmpty: $0.longest?.batch) },
      Column("tokens") { .integer(orEmpty: $0.longest?.tokens) },
      Column("ended_by") { .text(orEmpty: $0.answer.endedBy) },
      Column("ended") { .text(orEmpty: $0.plan.endWords($0.answer)) },
      Column("tensors_fit_until") { record in
        .integer(orEmpty: record.plan.variable.flatMap { record.answer.bound?[$0] })
      },
      Column("expandable_segments_fit") { record in
        .integer(orEmpty: record.plan.variable.flatMap { record.answer.expandable?[$0] })
      },
      Column("shown_n_c") { .integer(orEmpty: $0.answer.lengths?.nC) },
      Column("shown_n_g") { .integer(orEmpty: $0.answer.lengths?.nG) },
      Column("shown_batch") { .integer(orEmpty: $0.answer.lengths?.batch) },
    ] + figures

  private static let figures: [Column<RecordedPlanRecord>] = [
    Column("peak_allocated_bytes") { .integer($0.answer.peakAllocated) },
    Column("peak_reserved_bytes") { .integer(orEmpty: $0.answer.peakReserved) },
    Column("peak_reserved_least_bytes") { .integer(orEmpty: $0.answer.leastReserved) },
    Column("needed_bytes") { .integer($0.answer.needed) },
    Column("left_bytes") { .integer(orEmpty: $0.answer.left) },
    Column("cache_returns") { .integer($0.answer.retries) },
    Column("growth_bytes") { .integer(orEmpty: $0.answer.further) },
    Column("growth_of") {
      .integer(orEmpty: $0.answer.further == nil ? nil : $0.plan.variable == .batch ? 1 : 1000)
    },
  ]

  /// All of it as one object, with what stands at the peak.
  fileprivate var json: JSONText {
    let step = answer.step
    let held = HeldAtPeak(step, after: answer.peakEvent)
    var members = JSONObject.members(of: self).map { name, value in
      name == "fits" ? (name, .bool(answer.fits)) : (name, value)
    }
    members.append(("peak", peak))
    members.append(
      ("held", .object(held.roles.map { ("\($0.role.rawValue)_bytes", .integer($0.bytes)) })))
    let largest = held.kinds.prefix(10).map { kind in
      JSONText.object([
        ("role", .string(kind.role.rawValue)), ("op", .string(kind.op)),
        ("place", .string(kind.place)), ("shape", .integers(kind.shape)),
        ("dtype", .string(kind.dtype)), ("tensors", .integer(kind.count)),
        ("bytes", .integer(kind.bytes)), ("total_bytes", .integer(kind.total)),
      ])
    }
    members.append(("largest", .array(largest)))
    return .object(members, .lines(2))
  }

  /// When most is allocated.
  private var peak: JSONText {
    let step = answer.step
    guard step.events.indices.contains(answer.peakEvent),
      case .allocate(let number) = step.events[answer.peakEvent]
    else { return .null }
    let tensor = step.tensor(number)
    let phase = step.phase(ofEvent: answer.peakEvent)
    return .object([
      ("phase", phase.map { .string($0.phase.rawValue) } ?? .null),
      ("step", .integer(orNull: phase?.step)), ("event", .integer(answer.peakEvent)),
      ("op", .string(tensor.op)), ("module", .string(tensor.module)),
      ("role", .string(tensor.role.rawValue)), ("tensor_bytes", .integer(tensor.bytes)),
    ])
  }
}

extension RecordedPlan {
  /// Every memory, for files.
  package var records: [RecordedPlanRecord] {
    answers.map { RecordedPlanRecord(plan: self, answer: $0) }
  }

  /// One object for one memory; for several one with `rows`.
  package var json: String {
    let rows = records.map(\.json)
    if rows.count == 1, let row = rows.first { return row.text + "\n" }
    return JSONText.object(
      [("rows", .array(rows, .lines(2))), ("assumptions", .strings(recording.assumptions))],
      .lines(2)
    ).text + "\n"
  }
}
