package import Retention
import Tensors
import Transformer

/// The columns that say which point a row is about, in groups that result files put together.
package enum PointColumns {
  /// `model` to `batch` of `points.csv`.
  package static let modelToBatch: [Column<Point>] =
    [
      Column("model") { .text($0.modelName) },
      Column("layers") { .integer($0.model.layers) },
      Column("d_model") { .integer($0.model.dModel) },
      Column("heads") { .integer($0.model.heads) },
      Column("kv_heads") { .integer($0.model.kvHeads) },
      Column("d_head") { .integer($0.model.dHead) },
      Column("d_ff") { .integer($0.model.dFF) },
      Column("vocab") { .integer($0.model.vocab) },
      dtype, attention, head, recompute, lossRows, mode, keepPrefix, chunk,
      Column("backend") { .text($0.backend.rawValue) },
      Column("threads") { .integer($0.threads) },
      batch,
    ]

  /// The columns that say which point a row of `ledger.csv` or `gradients.csv` belongs to.
  static let ledgerKey: [Column<Point>] = [
    mode, keepPrefix, chunk, recompute, attention, head, lossRows, dtype, batch, nC, nG,
  ]

  /// The columns that later versions added at the end.
  package static let late: [Column<Point>] = [
    Column("trainable") { .text($0.trainable) },
    Column("dropout") { .real($0.dropout) },
    Column("recipe") { .text($0.recipe.rawValue) },
  ]

  /// The last of the axes, which came after the laws' columns had been fixed.
  package static let kvGradients = Column<Point>("kv_gradients") { .text($0.kvGradients.rawValue) }

  /// Everything that says which point a row of `points.csv` is about, but for the repetition.
  package static let axes: [Column<Point>] =
    modelToBatch + [nC, nG, seed] + late + [kvGradients]

  package static let mode = Column<Point>("mode") { .text($0.mode.rawValue) }
  package static let keepPrefix = Column<Point>("keep_prefix") { .integer($0.keepPrefix) }
  package static let chunk = Column<Point>("chunk") { .integer($0.chunk) }
  package static let recompute = Column<Point>("recompute") { .text($0.recompute.rawValue) }
  package static let attention = Column<Point>("attention") { .text($0.attention.rawValue) }
  package static let head = Column<Point>("head") { .text($0.head.rawValue) }
  package static let lossRows = Column<Point>("loss_rows") { .text($0.lossRows.rawValue) }
  package static let dtype = Column<Point>("dtype") { .text($0.dtype.rawValue) }
  package static let batch = Column<Point>("batch") { .integer($0.batch) }
  package static let nC = Column<Point>("n_c") { .integer($0.nC) }
  package static let nG = Column<Point>("n_g") { .integer($0.nG) }
  /// Written as text, since a seed may not fit a signed integer.
  package static let seed = Column<Point>("seed") { point in
    Int(exactly: point.seed).map(Cell.integer) ?? .text(String(point.seed))
  }
}
