import Ledger
import OrderedCollections
import Recordings
import Reporting
package import Spelling
import Values

/// What bytes of a recorded step are added up by.
package enum RecordedKey: String, AxisWord {
  case op, layer, region, role, phase
}

extension RecordedStep {
  /// Bytes by op, layer, region or role: what is retained, and what is held where most is
  /// allocated; by phase its peaks.
  package func totals(by key: RecordedKey) -> String {
    if key == .phase { return phaseTable }
    let whole = heldBytes
    var table = TextTable([
      (key.rawValue, .left), ("retained", .right), ("", .right), ("at the peak", .right),
      ("", .right), ("%", .right), ("tensors", .right),
    ])
    func add(_ name: String, _ kept: Int, _ held: Int, _ tensors: Int) {
      table.add([
        name, "\(kept) B", Units.bytes(kept), "\(held) B", Units.bytes(held),
        Units.fixed(100 * Double(held) / Double(max(whole, 1)), 1), Units.grouped(tensors),
      ])
    }
    for sum in sums(by: key) { add(sum.name, sum.kept, sum.held, sum.tensors) }
    add("together", retained.total, whole, alive(after: peakEvent).count)
    return table.text
  }

  /// The same as data, an object a row but for the last.
  package func totalsJSON(by key: RecordedKey) -> JSONText {
    guard key == .phase else {
      return .array(
        sums(by: key).map { sum in
          .object([
            (key.rawValue, .string(sum.name)), ("retained_bytes", .integer(sum.kept)),
            ("at_peak_bytes", .integer(sum.held)), ("tensors", .integer(sum.tensors)),
          ])
        })
    }
    return .array(
      phases.map { phase in
        .object([
          ("step", .integer(phase.start.step)), ("phase", .string(phase.start.phase.rawValue)),
          ("peak_allocated_bytes", .integer(phase.allocated)),
          ("peak_reserved_bytes", .integer(orNull: phase.reserved)),
          ("allocated_at_end_bytes", .integer(phase.allocatedAtEnd)),
        ])
      })
  }

  /// All that is held where most is allocated.
  private var heldBytes: Int {
    alive(after: peakEvent).reduce(0) { $0 + recording.tensors.bytes[$1] }
  }

  private func sums(
    by key: RecordedKey
  ) -> [(name: String, kept: Int, held: Int, tensors: Int)] {
    var sums: OrderedDictionary<String, (kept: Int, held: Int, tensors: Int)> = [:]
    for number in kept {
      for (name, bytes) in parts(of: number, by: key) {
        sums[name, default: (0, 0, 0)].kept += bytes
      }
    }
    for number in alive(after: peakEvent) {
      for (name, bytes) in parts(of: number, by: key) where bytes > 0 {
        sums[name, default: (0, 0, 0)].held += bytes
        sums[name, default: (0, 0, 0)].tensors += 1
      }
    }
    // Equal ones stay in the order in which they came, as layers do.
    let order = sums.elements.enumerated().sorted { one, other in
      let (left, right) = (one.element.value, other.element.value)
      return (right.held, right.kept, one.offset) < (left.held, left.kept, other.offset)
    }
    return order.map(\.element).filter { $0.value.held > 0 || $0.value.kept > 0 }
      .map { ($0.key, $0.value.kept, $0.value.held, $0.value.tensors) }
  }

  private func parts(of number: Int, by key: RecordedKey) -> [(String, Int)] {
    let tensor = recording.tensor(number)
    return switch key {
    case .op: [(tensor.op, tensor.bytes)]
    case .layer: [(tensor.layer.map { "layer \($0)" } ?? "ends", tensor.bytes)]
    case .role: [(tensor.role.rawValue, tensor.bytes)]
    case .region: tensor.regions.byName
    case .phase: []
    }
  }

  private var phaseTable: String {
    let reserves = recording.device == .cuda
    var table = TextTable(
      [("step", .right), ("phase", .left), ("peak allocated", .right), ("", .right)]
        + (reserves ? [("peak reserved", .right), ("", .right)] : [])
        + [("at its end", .right)])
    for phase in phases {
      let reserved = phase.reserved ?? 0
      table.add(
        ["\(phase.start.step)", phase.start.phase.rawValue, "\(phase.allocated) B"]
          + [Units.bytes(phase.allocated)]
          + (reserves ? ["\(reserved) B", Units.bytes(reserved)] : [])
          + [Units.bytes(phase.allocatedAtEnd)])
    }
    return table.text
  }
}
