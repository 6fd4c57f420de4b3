import Ledger
package import Reporting
import Retention
import Spelling
import Tensors

/// A row of `ballast plan --format csv`: one combination, what it takes, and how it stands.
package struct PlanRecord: Sendable {
  let row: PlanRow
  let account: MemoryAccount
}

extension PlanRecord: Record {
  package static let columns: [Column<PlanRecord>] =
    axes.filter { !later.contains($0.name) } + figures + axes.filter { later.contains($0.name) }
    + [
      Column("most_suffixes") { .integer(orEmpty: $0.row.mostSuffixes) },
      Column("optimizer_moment_bytes") { record in
        .integer(
          orEmpty: record.account.optimizerStep.map { _ in
            record.account.moment(of: record.row.optimizer, record.row.figures.trained)
          })
      },
    ]

  private static let axes: [Column<PlanRecord>] =
    PointColumns.axes.filter { $0.name != "threads" && $0.name != "seed" }.map { column in
      column.of { $0.row.combination.point(nC: $0.row.nC ?? 0) }
    }

  /// Axes that came after the first figures, and so stand behind them.
  private static let later: Set<String> = [
    "adapter", "lora", "suffixes", "sharing", "suffixes_at_a_time",
  ]

  private static let figures: [Column<PlanRecord>] = [
    Column("memory_bytes") { .integer(orEmpty: $0.row.memory) },
    Column("fits") { .text($0.row.memory == nil ? "" : $0.row.fits ? "yes" : "no") },
    Column("counted") { record in
      .text(record.account.device == .thisMachine ? "this machine" : record.partNames)
    },
    Column("counted_bytes") { .wide($0.row.total) },
    Column("retained_bytes") { .integer($0.row.figures.retained.total) },
    Column("peak_bytes") { .integer($0.row.figures.peakBytes) },
    Column("peak_forward_bytes") { .integer($0.row.figures.peakForwardBytes) },
    Column("peak_backward_bytes") { .integer($0.row.figures.peakBackwardBytes) },
    Column("parameter_bytes") { $0.cell(.parameters) },
    Column("gradient_bytes") { $0.cell(.gradients) },
    Column("optimizer_bytes") { $0.cell(.optimizer) },
    Column("workspace_bytes") { $0.cell(.workspace) },
    Column("gradient_dtype") {
      .text($0.row.gradientTypes($0.account))
    },
    Column("matmul_flops") { .wide($0.row.figures.matmulFlops) },
    Column("relative_work") { .real($0.row.relativeWork) },
    Column("gradient") { .text($0.row.combination.isExact ? "exact" : "biased") },
    Column("best") { .text($0.row.isBest ? "yes" : "no") },
    Column("recommended") { .text($0.row.isRecommended ? "yes" : "no") },
    Column("shard_parameters") { .integer($0.account.sharding.devices) },
    Column("shard_stage") { .integer($0.account.sharding.stage) },
    Column("tensor_parallel") { .integer($0.account.tensorParallelism.devices) },
    Column("sequence_parallel") {
      .text($0.account.tensorParallelism.dividesSequence ? "yes" : "no")
    },
    Column("source") { .text($0.account.isRun ? "counted on shapes" : "computed, not run") },
  ]

  private var partNames: String {
    account.counted(in: row.figures, optimizer: row.optimizer).map(\.part.rawValue)
      .joined(separator: "+")
  }

  private func cell(_ part: MemoryAccount.Part) -> Cell {
    .integer(account.bytes(of: part, in: row.figures, optimizer: row.optimizer))
  }
}

extension Plan {
  /// Every row, for files.
  package var records: [PlanRecord] {
    rows.map { PlanRecord(row: $0, account: request.account) }
  }

  /// The plan as one JSON object: what it says, its rows, and laws if there are any.
  package func json(with laws: [CombinationLaws]) -> String {
    var members: [(name: String, value: JSONText)] = [
      ("sentences", .strings([recommendation] + notes, .lines(4, close: 2))),
      ("rows", JSONObject.array(of: records)),
    ]
    if !laws.isEmpty { members.append(("laws", JSONObject.array(of: laws.flatMap(\.records)))) }
    if let ladder { members.append(("waste", ladder.json)) }
    return JSONText.object(members, .lines(2)).text + "\n"
  }
}
