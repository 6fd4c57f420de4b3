import Ledger
import Retention
import Spelling
import Tensors
import Transformer

/// One measured point, as a page that a person reads.
package enum PointTable {
  /// Names on the left, exact values on the right; figures that were not taken are left out.
  ///
  /// Of `gradients` the one with the largest error is named.
  package static func text(of record: PointRecord, gradients: [ParameterGradient] = []) -> String {
    var table = TextTable([("", .left), ("", .left)])
    for (name, value) in heading(of: record.point) { table.add([name, value]) }
    for (name, value) in figures(of: record) {
      if let value { table.add([name, value]) }
    }
    if let worst = worst(of: gradients) { table.add(["  largest", worst]) }
    if let reference = record.gradientReference, reference != record.point.mode.name {
      table.add(["  compared with", reference.rawValue])
    }
    return table.text
  }

  static func heading(of point: Point) -> [(String, String)] {
    let model = point.model
    let layers = model.layers == 1 ? "1 layer" : "\(model.layers) layers"
    let threads = point.threads == 1 ? "1 thread" : "\(point.threads) threads"
    return [
      (
        "model",
        "\(printable(point.modelName.unicodeScalars)): \(layers), d_model \(model.dModel), "
          + "\(model.heads) heads of \(model.dHead), \(model.kvHeads) for K and V, "
          + "d_ff \(model.dFF), vocab \(model.vocab)"
      ),
      ("tokens", values(of: .tokens, in: point)),
      ("mode", values(of: .prefix, in: point)),
      ("axes", values(of: .step, in: point)),
      ("backend", point.backend == .shape ? "shape" : "\(point.backend.rawValue), \(threads)"),
    ]
  }

  /// The values of a section's axes, such as `dtype float32, attention fused`.
  ///
  /// An axis that means nothing here is left out, and so is the default of one that has no choice
  /// of words.
  private static func values(of section: PointAxis.Section, in point: Point) -> String {
    let axes = PointAxis.all.filter { $0.section == section && $0.speaks(in: point) }
    let shown = axes.filter { axis in
      if axis.isQuiet, axis.value(point) == axis.standard { return false }
      if case .words(let words) = axis.kind { return words.count > 1 }
      return axis.section != .step || axis.value(point) != axis.standard
    }
    // The mode first, and without its name, which stands before the line.
    let mode = shown.filter { $0.name == "mode" }.map { $0.value(point).text }
    let others = shown.filter { $0.name != "mode" }.map { axis in
      "\(axis.name) \(printable(axis.value(point).text.unicodeScalars))"
    }
    return (mode + others).joined(separator: ", ")
  }

  /// The parameter whose gradient is off the most; nil if all are exact, or none is known.
  private static func worst(of gradients: [ParameterGradient]) -> String? {
    let known = gradients.compactMap { gradient in
      gradient.relativeError.map { (gradient.parameter, $0) }
    }
    guard let (name, error) = known.max(by: { $0.1 < $1.1 }), error > 0 else { return nil }
    return "\(Units.significant(error)) in \(printable(name.unicodeScalars))"
  }

  /// What the mode costs the gradient; said even if it could not be had, since bytes stand above
  /// it.
  private static func gradientError(of record: PointRecord) -> String? {
    if let error = record.gradientRelativeError { return Units.significant(error) }
    let point = record.point
    guard record.status == .ok, !point.mode.isExact else { return nil }
    return point.backend == .shape
      ? "not measured: shapes have no gradients"
      : "not measured: the exact gradient needs more memory or 100 times the products, is 0, "
        + "or was left out"
  }

  private static func figures(of record: PointRecord) -> [(String, String?)] {
    let bytes = { (count: Int?) in count.map { Units.exactBytes($0) } }
    let seconds = { (value: Double?) in value.map { "\(Units.significant($0)) s" } }
    let retained = record.retained
    return [
      ("loss", record.loss.map { $0.description }),
      ("retained", bytes(retained?.total)),
      ("  prefix", bytes(retained?.prefix)),
      ("  generated", bytes(retained?.generated)),
      ("  crossing", bytes(retained?.crossing)),
      ("  shared", bytes(retained?.shared)),
      ("  padding", retained?.padding == 0 ? nil : bytes(retained?.padding)),
      ("  storages", record.savedTensors.map { String($0) }),
      ("  allocated", bytes(record.retainedAllocatedBytes)),
      ("  predicted", bytes(record.predictedRetainedBytes)),
      ("peak", bytes(record.peakBytes)),
      ("  forward", bytes(record.peakForwardBytes)),
      ("  backward", bytes(record.peakBackwardBytes)),
      ("  predicted", bytes(record.predictedPeakBytes)),
      ("peak + workspace", bytes(record.peakWithWorkspaceBytes)),
      ("  workspace", bytes(record.workspacePeakBytes)),
      ("  predicted", bytes(record.predictedWorkspaceBytes)),
      ("parameters", bytes(record.parameterBytes)),
      ("gradients", bytes(record.gradientBytes)),
      ("optimizer", record.point.optimizer == .none ? nil : bytes(record.optimizerBytes)),
      ("process peak", bytes(record.processPeakRSSBytes)),
      ("products", record.matmulFlops.map { "\($0) flops" }),
      ("forward", seconds(record.forwardSeconds)),
      ("backward", seconds(record.backwardSeconds)),
      ("gradient error", gradientError(of: record)),
      ("gradient cosine", record.gradientCosine.map { Units.significant($0) }),
    ]
  }
}
