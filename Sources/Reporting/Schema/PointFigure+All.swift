import Ledger
package import Retention

extension PointFigure {
  /// Every figure of a point, in the order of the printed table; to add one, add its entry here and
  /// its property of `PointRecord`.
  ///
  /// Files have an order of their own: what `PointRecord.columns` does not name comes last in them.
  package static let all: [PointFigure] =
    [
      number("loss", \.loss, .boundary, "loss") { $0.loss }.line("loss"),
      bytes("retained_bytes", .boundary, "retained") { $0.retained?.total }
        .taken { $0.retained = $1.retained }.budgeted(as: "retained").cost().line("retained"),
    ] + Region.allCases.map(retained(of:)) + [
      count("saved_tensors", \.savedTensors, .boundary, "tensors") { $0.saved.count }
        .line("  storages"),
      bytes("retained_allocated_bytes", \.retainedAllocatedBytes, .boundary, "retained, allocated")
      {
        $0.retainedAllocatedBytes
      }.budgeted(as: "allocated").quiet().line("  allocated"),
      bytes("predicted_retained_bytes", \.predictedRetainedBytes, .boundary, "retained, predicted")
      {
        $0.retained.total
      }.predicted().line("  predicted"),
      bytes(
        "predicted_allocated_bytes", \.predictedAllocatedBytes, .boundary, "allocated, predicted"
      ) { $0.retainedAllocatedBytes }.predicted(),
      bytes("peak_bytes", .step, "peak") { $0.peakBytes }
        .budgeted(as: "peak").cost().line("peak"),
      bytes("peak_forward_bytes", \.peakForwardBytes, .forward, "peak of forward") {
        $0.peakForwardBytes
      }.line("  forward"),
      bytes("peak_backward_bytes", \.peakBackwardBytes, .backward, "peak of backward") {
        $0.peakBackwardBytes
      }.line("  backward"),
      bytes("predicted_peak_bytes", \.predictedPeakBytes, .step, "peak, predicted") {
        $0.peakBytes
      }.predicted().line("  predicted"),
      bytes("workspace_peak_bytes", \.workspacePeakBytes, .step, "workspace") {
        $0.workspacePeakBytes
      }.line("peak + workspace") { $0.peakWithWorkspaceBytes.map(Units.exactBytes) }
        .line("  workspace"),
      bytes(
        "predicted_workspace_bytes", \.predictedWorkspaceBytes, .step, "workspace, predicted"
      ) { $0.workspacePeakBytes }.predicted().line("  predicted"),
      bytes("parameter_bytes", \.parameterBytes, .step, "parameters") { $0.parameterBytes }
        .line("parameters"),
      bytes("gradient_bytes", \.gradientBytes, .step, "gradients") { $0.gradientBytes }
        .line("gradients"),
      bytes("optimizer_bytes", \.optimizerBytes, .step, "optimizer state") { $0.optimizerBytes }
        .line("optimizer") { record in
          record.point.optimizer == .none ? nil : record.optimizerBytes.map(Units.exactBytes)
        },
      bytes(
        "process_peak_rss_bytes", \.processPeakRSSBytes, .step, "resident memory", from: nil
      ).line("process peak"),
      flops("matmul_flops", \.matmulFlops, .step, "products") { $0.matmulFlops }.cost()
        .line("products"),
      seconds("forward_seconds", \.forwardSeconds, .forward, "forward, s") { $0.forwardSeconds }
        .line("forward"),
      seconds("backward_seconds", \.backwardSeconds, .backward, "backward, s") {
        $0.backwardSeconds
      }.line("backward"),
      number("gradient_relative_error", \.gradientRelativeError, .backward, "gradient's error")
        .budgeted(as: "gradient_error").cost().line("gradient error", gradientError),
      number("gradient_cosine", \.gradientCosine, .backward, "gradient's cosine")
        .line("gradient cosine") { $0.gradientCosine.map(Units.significant) },
      bytes("peak_allocated_bytes", \.peakAllocatedBytes, .step, "PyTorch's peak", from: nil)
        .budgeted(as: "peak_allocated").quiet().line("peak allocated"),
      bytes(
        "peak_allocated_forward_bytes", \.peakAllocatedForwardBytes, .forward,
        "PyTorch's peak of forward", from: nil
      ).line("  forward"),
      bytes(
        "peak_allocated_backward_bytes", \.peakAllocatedBackwardBytes, .backward,
        "PyTorch's peak of backward", from: nil
      ).line("  backward"),
      bytes(
        "peak_allocated_optimizer_bytes", \.peakAllocatedOptimizerBytes, .optimizer,
        "PyTorch's peak of the optimizer", from: nil
      ).line("  optimizer"),
      bytes("peak_reserved_bytes", \.peakReservedBytes, .step, "reserved at the peak", from: nil)
        .budgeted(as: "peak_reserved").quiet().line("peak reserved"),
    ]

  /// The figures that budgets and comparisons are about and that are bytes.
  package static let budgetedBytes = all.filter { $0.word != nil && $0.unit == .bytes }

  /// What the mode costs the gradient; said even if it could not be had, since bytes stand above
  /// it.
  @Sendable private static func gradientError(of record: PointRecord) -> String? {
    if let error = record.gradientRelativeError { return Units.significant(error) }
    let point = record.point
    guard record.status == .ok, !point.mode.isExact else { return nil }
    return point.backend == .shape
      ? "not measured: shapes have no gradients"
      : "not measured: the exact gradient needs more memory or 100 times the products, is 0, "
        + "or was left out"
  }
}

extension PointRecord {
  /// Enters what a step gave.
  package mutating func take(_ step: StepResult) {
    for figure in PointFigure.all where !figure.isPrediction { figure.take?(&self, step) }
  }

  /// Enters what another row of the point has predicted.
  package mutating func takePredictions(from other: PointRecord) {
    for figure in PointFigure.all where figure.isPrediction {
      _ = figure.read?(&self, figure.column.cell(other).text)
    }
  }

  /// Enters what shapes say that a step will give.
  package mutating func takePrediction(_ step: StepResult) {
    for figure in PointFigure.all where figure.isPrediction { figure.take?(&self, step) }
  }
}
