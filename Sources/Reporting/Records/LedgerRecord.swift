package import Ledger
package import Retention

/// A row of `ledger.csv`: one storage that was alive at the boundary because backward needs it.
package struct LedgerRecord: Sendable {
  package var profile: String?
  package var point: Point
  package var repetition: Int
  /// The storage's place in the order of first saving, from 0.
  package var order: Int
  /// nil outside the layers.
  package var layer: Int?
  package var op: String
  package var tensor: String
  /// Extents, outermost first; of PyTorch's those that the first op saw, as its hooks report them.
  package var shape: [Int]
  package var dtype: String
  package var requestedBytes: Int
  /// nil where no allocator gave it a block of its own.
  package var allocatedBytes: Int?
  package var regions: RegionBytes
  /// Every gradient that reads the storage, each once, in the order of saving.
  package var neededFor: [String] = []
  /// The savers after the first, as `op:tensor`, with their layers.
  package var alsoSavedBy: [String] = []

  /// A row of a step that Ballast did not run itself.
  package init(
    of record: PointRecord, order: Int, layer: Int?, op: String, tensor: String, shape: [Int],
    dtype: String, requestedBytes: Int, allocatedBytes: Int?, regions: RegionBytes
  ) {
    (profile, point, repetition) = (record.profile, record.point, record.repetition)
    (self.order, self.layer, self.op, self.tensor) = (order, layer, op, tensor)
    (self.shape, self.dtype, self.regions) = (shape, dtype, regions)
    (self.requestedBytes, self.allocatedBytes) = (requestedBytes, allocatedBytes)
  }

  /// The rows of one point.
  package static func rows(of saved: [SavedStorage], in record: PointRecord) -> [LedgerRecord] {
    saved.enumerated().map { order, storage in
      let (first, description) = (storage.savers.first, storage.description)
      var row = LedgerRecord(
        of: record, order: order, layer: first?.scope.layer, op: first?.scope.name ?? "",
        tensor: first?.tensor ?? description.tensor,
        shape: record.point.recipe == .ballast ? description.shape : first?.view.shape ?? [],
        dtype: description.dtype, requestedBytes: description.requestedBytes,
        allocatedBytes: description.allocatedBytes, regions: description.regions)
      var seen: Set<String> = []
      row.neededFor = storage.savers.flatMap(\.neededFor).filter { seen.insert($0).inserted }
      row.alsoSavedBy = storage.savers.dropFirst().map { "\($0.scope.path):\($0.tensor)" }
      return row
    }
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
      Column("layer") { .integer(orEmpty: $0.layer) },
      Column("op") { .text($0.op) },
      Column("tensor") { .text($0.tensor) },
      Column("shape") { .text($0.shape.map(String.init).joined(separator: "x")) },
      Column("dtype") { .text($0.dtype) },
      Column("requested_bytes") { .integer($0.requestedBytes) },
      Column("allocated_bytes") { .integer(orEmpty: $0.allocatedBytes) },
    ] + regions.filter { !isLater($0) } + [
      Column("needed_for") { .text($0.neededFor.joined(separator: " ")) },
      Column("also_saved_by") { .text($0.alsoSavedBy.joined(separator: " ")) },
    ] + regions.filter(isLater)

  private static let regions = Region.allCases.map { region in
    Column<LedgerRecord>("\(region.name)_bytes") {
      .integer($0.regions[region])
    }
  }

  /// Whether a region came after the columns that now stand behind the others.
  private static func isLater(_ column: Column<LedgerRecord>) -> Bool {
    !["prefix_bytes", "generated_bytes", "crossing_bytes", "shared_bytes"].contains(column.name)
  }
}
