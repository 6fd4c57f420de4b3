package import Ledger
package import Retention

/// A row of `ledger.csv`: one storage that was alive at the boundary because backward needs it.
package struct LedgerRecord: Sendable {
  package var profile: String?
  package var point: Point
  package var repetition: Int
  /// The storage's place in the order of first saving, from 0.
  package var order: Int
  package var storage: SavedStorage

  /// The rows of one point.
  package static func rows(of saved: [SavedStorage], in record: PointRecord) -> [LedgerRecord] {
    saved.enumerated().map { order, storage in
      LedgerRecord(
        profile: record.profile, point: record.point, repetition: record.repetition, order: order,
        storage: storage)
    }
  }

  private var first: Saver? { storage.savers.first }

  /// The storage's extents; of a recipe those that the first op saw, as PyTorch's hooks
  /// report them.
  private var shape: [Int] {
    point.recipe == .ballast ? storage.description.shape : first?.view.shape ?? []
  }

  /// Every gradient that reads the storage, each once, in the order of saving.
  private var neededFor: String {
    var seen: Set<String> = []
    return storage.savers.flatMap(\.neededFor).filter { seen.insert($0).inserted }
      .joined(separator: " ")
  }

  /// The savers after the first, as `op:tensor`, with their layers.
  private var alsoSavedBy: String {
    storage.savers.dropFirst().map { "\($0.scope.path):\($0.tensor)" }.joined(separator: " ")
  }
}

extension Scope {
  /// The op with its layer before it, as Hugging Face names modules: `layers.0.k_proj`.
  package var path: String {
    layer.map { "layers.\($0).\(name)" } ?? name
  }
}

extension LedgerRecord: Record {
  /// The contract has `dtype` twice: the point's own, and this tensor's.
  package static let columns: [Column<LedgerRecord>] =
    [Column("profile") { .text(orEmpty: $0.profile) }]
    + PointColumns.ledgerKey.map { $0.of(\.point) }
    + [
      Column("repeat") { .integer($0.repetition) },
      Column("order") { .integer($0.order) },
      Column("layer") { .integer(orEmpty: $0.first?.scope.layer) },
      Column("op") { .text(orEmpty: $0.first?.scope.name) },
      Column("tensor") { .text($0.first?.tensor ?? $0.storage.description.tensor) },
      Column("shape") {
        .text($0.shape.map(String.init).joined(separator: "x"))
      },
      Column("dtype") { .text($0.storage.description.dtype) },
      Column("requested_bytes") { .integer($0.storage.description.requestedBytes) },
      Column("allocated_bytes") { .integer($0.storage.description.allocatedBytes) },
    ] + regions.filter { !isLater($0) } + [
      Column("needed_for") { .text($0.neededFor) },
      Column("also_saved_by") { .text($0.alsoSavedBy) },
    ] + regions.filter(isLater)

  private static let regions = Region.allCases.map { region in
    Column<LedgerRecord>("\(region.name)_bytes") {
      .integer($0.storage.description.regions[region])
    }
  }

  /// Whether a region came after the columns that now stand behind the others.
  private static func isLater(_ column: Column<LedgerRecord>) -> Bool {
    !["prefix_bytes", "generated_bytes", "crossing_bytes", "shared_bytes"].contains(column.name)
  }
}
