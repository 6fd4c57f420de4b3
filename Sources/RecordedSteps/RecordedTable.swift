import CUDAAllocator
package import Recordings
package import Reporting
import Retention
import Spelling

extension RecordedStep {
  /// The row as a page that a person reads.
  package func table(of record: PointRecord) -> String {
    var table = TextTable([("", .left), ("", .left)])
    let steps = Set(recording.phases.map(\.step)).count
    let model = record.point.modelName.isEmpty ? "not named" : record.point.modelName
    table.add(["model", model])
    if !recording.point.isEmpty {
      let known = recording.point.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
      table.add(["point", known.map { "\($0.key) \($0.value)" }.joined(separator: ", ")])
    }
    table.add([
      "recorded",
      "\(steps) step\(steps == 1 ? "" : "s"), \(Units.grouped(recording.tensors.count)) allocations"
        + (recording.gpu.map { ", as \($0.title) would hold them" } ?? ", as a CPU holds them"),
    ])
    for (name, value) in PointTable.figures(of: record) { table.add([name, value]) }
    if let reserved, reserved.least != reserved.most {
      table.add([
        "  over \(reserved.orders) orders of addresses",
        "\(Units.exactBytes(reserved.least)) to \(Units.exactBytes(reserved.most))",
      ])
    }
    if let moment = peakMoment { table.add(["peak is", moment]) }
    return table.text
  }

  /// When most is allocated, and by what.
  private var peakMoment: String? { recording.moment(ofEvent: peakEvent) }

  /// Whether it fits the device that was asked about, in a sentence; empty where there is no limit.
  package var verdict: [String] {
    if recording.device == .cpu, !fits {
      return [
        "it does not fit: \(Units.bytes(peakAllocated)) are held when most is, and there are "
          + Units.bytes(room)
      ]
    }
    guard let failure, let phase = recording.phase(ofEvent: max(failure.event, 0)) else {
      return []
    }
    return [
      "it does not fit: in \(phase.words), \(failure.error.message)"
    ]
  }
}

extension Recording {
  /// When an allocation is, and what it is for; nil for anything but an allocation.
  package func moment(ofEvent event: Int) -> String? {
    guard let place = place(ofEvent: event), case .allocate(let number) = events[event] else {
      return nil
    }
    return place + ", \(Units.exactBytes(tensors.bytes[number]))"
  }

  /// The same without what it is for.
  package func place(ofEvent event: Int) -> String? {
    guard events.indices.contains(event), let phase = phase(ofEvent: event),
      case .allocate(let number) = events[event]
    else { return nil }
    let tensor = tensor(number)
    let note = LossOp(rawValue: tensor.op) == nil ? "" : " (the loss)"
    return phase.words + (tensor.op.isEmpty ? "" : ", \(tensor.op)\(note)")
      + (tensor.module.isEmpty ? "" : " in \(tensor.module)")
  }

  /// Tensors that are alive after an event, in order of allocation.
  package func alive(after event: Int) -> [Int] { RecordedStep.alive(in: self, before: event + 1) }
}
