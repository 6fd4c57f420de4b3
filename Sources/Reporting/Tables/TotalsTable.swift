package import Ledger
import Retention
import Values

/// What retained bytes are added up by.
package enum TotalsKey: String, AxisWord {
  case op, layer, region
}

/// Retained bytes by op, by layer or by region: what dominates, largest first.
package enum TotalsTable {
  /// The table; its bytes add up to what is retained.
  package static func text(of saved: [SavedStorage], by key: TotalsKey) -> String {
    var sums: [String: (bytes: Int, storages: Int)] = [:]
    for storage in saved {
      for (name, bytes) in parts(of: storage, by: key) where bytes > 0 {
        sums[name, default: (0, 0)].bytes += bytes * storage.copies
        sums[name, default: (0, 0)].storages += storage.copies
      }
    }
    let total = sums.values.reduce(0) { $0 + $1.bytes }
    var table = TextTable([
      (key.rawValue, .left), ("bytes", .right), ("", .right), ("%", .right), ("storages", .right),
    ])
    for (name, sum) in sums.sorted(by: { ($1.value.bytes, $0.key) < ($0.value.bytes, $1.key) }) {
      table.add([
        name, "\(sum.bytes) B", Units.bytes(sum.bytes),
        Units.fixed(100 * Double(sum.bytes) / Double(max(total, 1)), 1), String(sum.storages),
      ])
    }
    // A storage may be of two regions: their number is that of all storages.
    let storages = saved.reduce(0) { $0 + $1.copies }
    table.add(["together", "\(total) B", Units.bytes(total), "100", String(storages)])
    return table.text
  }

  private static func parts(of storage: SavedStorage, by key: TotalsKey) -> [(String, Int)] {
    let description = storage.description
    let scope = storage.savers.first?.scope
    switch key {
    case .op: return [(scope?.name ?? "", description.requestedBytes)]
    case .layer: return [(scope?.layer.map { "layer \($0)" } ?? "ends", description.requestedBytes)]
    case .region:
      return description.regions.byName
    }
  }
}
