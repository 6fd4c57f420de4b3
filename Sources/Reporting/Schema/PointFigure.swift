package import Ledger
import Retention

/// A number in a point's row: all that files, tables, budgets, comparisons, the report and the
/// pictures know of it.
///
/// ```
///   StepResult ── take ──▶ PointRecord ◀── read ── cell of points.csv
///                              │
///        column, line of the printed table, value for budgets and comparisons, schema.json
/// ```
package struct PointFigure: Sendable {
  /// What the number counts.
  package enum Unit: String, Sendable {
    case bytes, seconds, flops, count
    /// A ratio, an error, a loss.
    case number
  }

  /// When in a step it is taken.
  package enum Phase: String, Sendable {
    /// Between forward and backward.
    case boundary
    case forward, backward
    /// Clipping included.
    case optimizer
    /// Over the whole of it.
    case step
  }

  /// Its column in `points.csv`.
  package let name: String
  package let unit: Unit
  package let phase: Phase
  /// What the report and the pictures call it.
  package let label: String
  /// The region of which it is the bytes; nil for what is no region's.
  package private(set) var region: Region?
  /// Whether shapes said it before the step ran.
  package private(set) var isPrediction = false
  /// What budgets and comparisons call it; nil for a figure that they are not about.
  package private(set) var word: String?
  /// Whether comparisons leave it out where it is the same on both sides.
  package private(set) var isQuiet = false
  /// Whether tables of what a step costs have a column of it.
  package private(set) var isCost = false
  /// A point's number; nil if it was not taken.
  package let value: @Sendable (PointRecord) -> Double?

  let column: Column<PointRecord>
  /// Takes the number from a cell's text, false if it is none; nil for what others make up.
  private(set) var read: (@Sendable (inout PointRecord, String) -> Bool)?
  /// Takes the number from what a step gave; nil for what no step says.
  private(set) var take: (@Sendable (inout PointRecord, StepResult) -> Void)?
  /// Its lines in the printed table, a part's indented under its whole, and their texts.
  private(set) var lines: [(name: String, text: @Sendable (PointRecord) -> String?)] = []

  /// Whether results are held against each other by it, or against limits.
  package var isHeld: Bool { word != nil || unit == .seconds }

  /// Its word, or else its column.
  package var shortName: String { word ?? name }

  /// The text of a number in the figure's unit.
  private static func text(_ cell: Cell, _ unit: Unit) -> String? {
    switch (cell, unit) {
    case (.empty, _): nil
    case (.integer(let count), .bytes): Units.exactBytes(count)
    case (.real(let value), .seconds): "\(Units.significant(value)) s"
    case (_, .flops): "\(cell.text) flops"
    default: cell.text
    }
  }
}

// MARK: Kinds

extension PointFigure {
  /// Where a row has a figure of some type.
  typealias Path<Value> = any WritableKeyPath<PointRecord, Value?> & Sendable
  typealias Source<Value> = @Sendable (StepResult) -> Value?

  private init<Value>(
    _ name: String, _ unit: Unit, _ phase: Phase, _ label: String, _ path: Path<Value>,
    _ source: Source<Value>?, _ cell: @escaping @Sendable (Value?) -> Cell,
    _ number: @escaping @Sendable (Value) -> Double,
    _ parse: @escaping @Sendable (String) -> Value?
  ) {
    (self.name, self.unit, self.phase, self.label) = (name, unit, phase, label)
    column = Column(name) { cell($0[keyPath: path]) }
    value = { $0[keyPath: path].map(number) }
    read = { record, text in
      let value = parse(text)
      record[keyPath: path] = value
      return value != nil
    }
    if let source { take = { record, step in record[keyPath: path] = source(step) } }
  }

  /// A whole number, 0 or more.
  static func count(
    _ name: String, _ path: Path<Int>, _ phase: Phase, _ label: String, unit: Unit = .count,
    from source: Source<Int>? = nil
  ) -> PointFigure {
    PointFigure(
      name, unit, phase, label, path, source, Cell.integer(orEmpty:), { Double($0) }
    ) { Int($0).flatMap { $0 >= 0 ? $0 : nil } }
  }

  static func bytes(
    _ name: String, _ path: Path<Int>, _ phase: Phase, _ label: String, from source: Source<Int>?
  ) -> PointFigure {
    count(name, path, phase, label, unit: .bytes, from: source)
  }

  static func flops(
    _ name: String, _ path: Path<Int128>, _ phase: Phase, _ label: String,
    from source: Source<Int128>?
  ) -> PointFigure {
    PointFigure(name, .flops, phase, label, path, source, Cell.wide(orEmpty:), { Double($0) }) {
      Int128($0)
    }
  }

  static func number(
    _ name: String, _ path: Path<Double>, _ phase: Phase, _ label: String, unit: Unit = .number,
    from source: Source<Double>? = nil
  ) -> PointFigure {
    PointFigure(name, unit, phase, label, path, source, Cell.real(orEmpty:), { $0 }) { Double($0) }
  }

  static func seconds(
    _ name: String, _ path: Path<Double>, _ phase: Phase, _ label: String,
    from source: Source<Double>?
  ) -> PointFigure {
    number(name, path, phase, label, unit: .seconds, from: source)
  }

  /// Bytes that a row has because of its other figures, and does not read.
  static func bytes(
    _ name: String, _ phase: Phase, _ label: String,
    made value: @escaping @Sendable (PointRecord) -> Int?
  ) -> PointFigure {
    PointFigure(name, phase, label, value)
  }

  private init(
    _ name: String, _ phase: Phase, _ label: String,
    _ bytes: @escaping @Sendable (PointRecord) -> Int?
  ) {
    (self.name, unit, self.phase, self.label) = (name, .bytes, phase, label)
    column = Column(name) { .integer(orEmpty: bytes($0)) }
    value = { bytes($0).map(Double.init) }
  }

  /// What is retained of a region; all of them are read, and taken, together.
  static func retained(of region: Region) -> PointFigure {
    let figure = bytes("retained_\(region.name)_bytes", .boundary, "retained, \(region.name)") {
      $0.retained?[region]
    }
    return figure.with { $0.region = region }.line("  \(region.name)") { record in
      guard let bytes = record.retained?[region], bytes > 0 || !region.isOptional else {
        return nil
      }
      return Units.exactBytes(bytes)
    }
  }
}

// MARK: Traits

extension PointFigure {
  /// Shapes say it before the step runs.
  func predicted() -> PointFigure { with { $0.isPrediction = true } }

  /// Budgets limit it and comparisons show it under this word.
  func budgeted(as word: String) -> PointFigure { with { $0.word = word } }

  /// Comparisons leave it out where it is the same on both sides.
  func quiet() -> PointFigure { with { $0.isQuiet = true } }

  /// Tables of what a step costs have a column of it.
  func cost() -> PointFigure { with { $0.isCost = true } }

  /// The printed table of a point shows it.
  func line(_ name: String) -> PointFigure {
    let (column, unit) = (column, unit)
    return line(name) { Self.text(column.cell($0), unit) }
  }

  /// The same with a text of its own; nil leaves it out.
  func line(
    _ name: String, _ text: @escaping @Sendable (PointRecord) -> String?
  ) -> PointFigure {
    with { $0.lines.append((name, text)) }
  }

  /// The step's own way to say it.
  func taken(_ take: @escaping @Sendable (inout PointRecord, StepResult) -> Void) -> PointFigure {
    with { $0.take = take }
  }

  private func with(_ change: (inout PointFigure) -> Void) -> PointFigure {
    var figure = self
    change(&figure)
    return figure
  }
}
