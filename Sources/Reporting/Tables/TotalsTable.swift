package import Ledger
import Retention
package import Spelling
import Values

/// What retained bytes are added up by.
package enum TotalsKey: String, AxisWord {
  case op, layer, region
}

/// Retained bytes by op, by layer or by region: what dominates, largest first.
package enum TotalsTable {
  /// The table; its bytes add up to what is retained.
  package static func text(of saved: [SavedStorage], by key: TotalsKey) -> String {
    let sums = sums(of: saved, by: key)
    let total = sums.reduce(0) { $0 + $1.bytes }
    var table = TextTable([
      (key.rawValue, .left), ("bytes", .right), ("", .right), ("%", .right), ("storages", .right),
    ])
    for (name, bytes, storages) in sums {
      table.add([
        name, "\(bytes) B", Units.bytes(bytes),
        Units.fixed(100 * Double(bytes) / Double(max(total, 1)), 1), String(storages),
      ])
    }
    // A storage may be of two regions: their number is that of all storages.
    let storages = saved.reduce(0) { $0 + $1.copies }
    table.add(["together", "\(total) B", Units.bytes(total), "100", String(storages)])
    return table.text
  }

  /// The same as data, an object a row but for the last.
  package static func json(of saved: [SavedStorage], by key: TotalsKey) -> JSONText {
    .array(
      sums(of: saved, by: key).map { name, bytes, storages in
        .object([
          (key.rawValue, .string(name)), ("requested_bytes", .integer(bytes)),
          ("storages", .integer(storages)),
        ])
      })
  }

  private static func sums(
    of saved: [SavedStorage], by key: TotalsKey
  ) -> [(name: String, bytes: Int, storages: Int)] {
    var sums: [String: (bytes: Int, storages: Int)] = [:]
    for storage in saved {
      for (name, bytes) in parts(of: storage, by: key) where bytes > 0 {
        sums[name, default: (0, 0)].bytes += bytes * storage.copies
        sums[name, default: (0, 0)].storages += storage.copies
      }
    }
    return sums.sorted { ($1.value.bytes, $0.key) < ($0.value.bytes, $1.key) }
      .map { ($0.key, $0.value.bytes, $0.value.storages) }
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
