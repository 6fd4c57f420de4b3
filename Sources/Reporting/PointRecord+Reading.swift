import Ledger
package import Retention

/// A row that cannot be read, as one sentence.
package struct RecordError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension PointRecord {
  /// Reads what `CSV.line(of:)` wrote of a point's row.
  ///
  /// - Parameters:
  ///   - row: One line of `points.csv`.
  ///   - point: The point that the row is about, of whose model the row does not hold everything.
  /// - Throws: `RecordError` if it is not such a line, or another point's.
  package init(row: String, of point: Point) throws(RecordError) {
    let fields = try? CSVDocument.records(of: row)
    guard let fields, fields.count == 1, fields[0].count == Self.columns.count else {
      throw RecordError("a row of points.csv has \(Self.columns.count) fields on one line")
    }
    let cells = Cells(
      Dictionary(uniqueKeysWithValues: zip(Self.columns.map(\.name), fields[0])))
    guard let repetition = try cells.integer("repeat"),
      let status = PointStatus(rawValue: cells.text("status") ?? "")
    else { throw RecordError("a row of points.csv has a repeat and a status") }
    self.init(
      profile: cells.text("profile"), point: point, repetition: repetition,
      version: cells.text("version") ?? "", startedAt: cells.text("started_at") ?? "")
    self.status = status
    error = cells.text("error")
    try readFigures(cells)
    guard CSV.line(of: self) == row else {
      throw RecordError("a row of points.csv is not the point's own")
    }
  }

  private mutating func readFigures(_ cells: Cells) throws(RecordError) {
    loss = try cells.real("loss")
    savedTensors = try cells.integer("saved_tensors")
    if let prefix = try cells.integer("retained_prefix_bytes"),
      let generated = try cells.integer("retained_generated_bytes"),
      let crossing = try cells.integer("retained_crossing_bytes"),
      let shared = try cells.integer("retained_shared_bytes")
    {
      var total = 0
      for bytes in [prefix, generated, crossing, shared] {
        let (sum, overflows) = total.addingReportingOverflow(bytes)
        guard !overflows else {
          throw RecordError("the retained bytes of a row of points.csv do not fit 64 bits")
        }
        total = sum
      }
      retained = RegionBytes(
        prefix: prefix, generated: generated, crossing: crossing, shared: shared)
    }
    retainedAllocatedBytes = try cells.integer("retained_allocated_bytes")
    predictedRetainedBytes = try cells.integer("predicted_retained_bytes")
    predictedAllocatedBytes = try cells.integer("predicted_allocated_bytes")
    peakForwardBytes = try cells.integer("peak_forward_bytes")
    peakBackwardBytes = try cells.integer("peak_backward_bytes")
    predictedPeakBytes = try cells.integer("predicted_peak_bytes")
    predictedWorkspaceBytes = try cells.integer("predicted_workspace_bytes")
    workspacePeakBytes = try cells.integer("workspace_peak_bytes")
    parameterBytes = try cells.integer("parameter_bytes")
    gradientBytes = try cells.integer("gradient_bytes")
    processPeakRSSBytes = try cells.integer("process_peak_rss_bytes")
    optimizerBytes = try cells.integer("optimizer_bytes")
    matmulFlops = try cells.wide("matmul_flops")
    forwardSeconds = try cells.real("forward_seconds")
    backwardSeconds = try cells.real("backward_seconds")
    gradientRelativeError = try cells.real("gradient_relative_error")
    gradientCosine = try cells.real("gradient_cosine")
    gradientReference = cells.text("gradient_reference").flatMap(ModeName.init(rawValue:))
  }
}

/// The fields of a row by column; an empty one is a figure that was not taken.
private struct Cells {
  private let fields: [String: String]

  init(_ fields: [String: String]) { self.fields = fields }

  func text(_ column: String) -> String? {
    fields[column].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// A whole number, 0 or more as all figures are.
  func integer(_ column: String) throws(RecordError) -> Int? {
    try number(column) { text in Int(text).flatMap { $0 >= 0 ? $0 : nil } }
  }

  func wide(_ column: String) throws(RecordError) -> Int128? {
    try number(column) { Int128($0) }
  }

  func real(_ column: String) throws(RecordError) -> Double? {
    try number(column) { Double($0) }
  }

  private func number<Number>(
    _ column: String, _ parse: (String) -> Number?
  ) throws(RecordError) -> Number? {
    guard let text = text(column) else { return nil }
    guard let value = parse(text) else {
      throw RecordError(
        "\(column) of a row of points.csv is \"\(text)\", which is none of its numbers")
    }
    return value
  }
}
