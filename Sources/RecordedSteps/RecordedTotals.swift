import Ledger
import OrderedCollections
import Recordings
import Reporting
import Values

/// What bytes of a recorded step are added up by.
package enum RecordedKey: String, AxisWord {
  case op, layer, region, role, phase
}

extension RecordedStep {
  /// Bytes by op, layer, region or role: what is retained, and what is held where most is
  /// allocated; by phase its peaks.
  package func totals(by key: RecordedKey) -> String {
    switch key {
    case .phase: return phaseTable
    case .op, .layer, .region, .role: break
    }
    var sums: OrderedDictionary<String, (kept: Int, held: Int, tensors: Int)> = [:]
    for number in kept {
      for (name, bytes) in parts(of: number, by: key) {
        sums[name, default: (0, 0, 0)].kept += bytes
      }
    }
    let held = alive(after: peakEvent)
    for number in held {
      for (name, bytes) in parts(of: number, by: key) where bytes > 0 {
        sums[name, default: (0, 0, 0)].held += bytes
        sums[name, default: (0, 0, 0)].tensors += 1
      }
    }
    let whole = held.reduce(0) { $0 + recording.tensors.bytes[$1] }
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
    // Equal ones stay in the order in which they came, as layers do.
    let order = sums.elements.enumerated().sorted { one, other in
      let (left, right) = (one.element.value, other.element.value)
      return (right.held, right.kept, one.offset) < (left.held, left.kept, other.offset)
    }
    for (name, sum) in order.map(\.element) where sum.held > 0 || sum.kept > 0 {
      add(name, sum.kept, sum.held, sum.tensors)
    }
    add("together", retained.total, whole, held.count)
    return table.text
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
