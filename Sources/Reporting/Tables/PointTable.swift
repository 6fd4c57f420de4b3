import Retention
import Spelling
import Spelling
import Tensors
import Transformer
import Values

/// One measured point, as a page that a person reads.
package enum PointTable {
  /// Names on the left, exact values on the right; figures that were not taken are left out.
  ///
  /// Of `gradients` the one with the largest error is named.
  package static func text(of record: PointRecord, gradients: [ParameterGradient] = []) -> String {
    var table = TextTable([("", .left), ("", .left)])
    for (name, value) in heading(of: record.point) { table.add([name, value]) }
    for (name, value) in figures(of: record) { table.add([name, value]) }
    if let worst = worst(of: gradients) { table.add(["  largest", worst]) }
    if let reference = record.gradientReference, reference != record.point.mode.name {
      table.add(["  compared with", reference.rawValue])
    }
    return table.text
  }

  /// The lines of the figures that were taken.
  package static func figures(of record: PointRecord) -> [(name: String, value: String)] {
    PointFigure.all.flatMap(\.lines).compactMap { name, text in
      text(record).map { (name, $0) }
    }
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
}
