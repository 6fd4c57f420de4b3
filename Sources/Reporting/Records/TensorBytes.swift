package import Ledger
import Spelling

/// A tensor by the op that made or saved it, with its bytes: what ledgers are compared by.
package struct TensorBytes: Equatable, Sendable {
  /// nil outside the layers.
  package var layer: Int?
  package var op: String
  package var tensor: String
  /// Extents, such as `1x8x64`.
  package var shape: String
  package var dtype: String
  package var bytes: Int

  package init(layer: Int?, op: String, tensor: String, shape: String, dtype: String, bytes: Int) {
    (self.layer, self.op, self.tensor, self.shape, self.dtype) = (layer, op, tensor, shape, dtype)
    self.bytes = bytes
  }

  /// A storage that backward needs, under the name of its first saver; requested bytes.
  package init(_ saved: SavedStorage) {
    let first = saved.savers.first
    self.init(
      scope: first?.scope, tensor: first?.tensor ?? saved.description.tensor,
      description: saved.description)
  }

  /// A storage that was alive at a peak, under the name of the op that made it; requested bytes.
  package init(_ live: LiveStorage) {
    self.init(scope: live.scope, tensor: live.description.tensor, description: live.description)
  }

  private init(scope: Scope?, tensor: String, description: StorageDescription) {
    self.init(
      layer: scope?.layer, op: scope?.name ?? "", tensor: tensor,
      shape: description.shape.map(String.init).joined(separator: "x"),
      dtype: description.dtype, bytes: description.requestedBytes)
  }

  /// The tensor in one word, such as `layers.0.q_proj:input`.
  package var name: String {
    (layer.map { "layers.\($0).\(op)" } ?? op) + ":\(tensor)"
  }
}

/// A tensor in two ledgers.
package struct TensorChange: Equatable, Sendable {
  /// How the tensor differs.
  package enum Kind: String, Sendable {
    case appeared, vanished, grew, shrank, same
  }

  /// As `TensorBytes.name` gives it.
  package var name: String
  /// nil where the first ledger has no such tensor.
  package var before: Int?
  /// nil where the second one has none.
  package var after: Int?
  /// Shapes and dtypes of the tensor, as far as they are known, such as `1x8x64 float32`.
  package var form: String

  package init(name: String, before: Int?, after: Int?, form: String) {
    (self.name, self.before, self.after, self.form) = (name, before, after, form)
  }

  /// What the second ledger has more.
  package var difference: Int { (after ?? 0) - (before ?? 0) }

  package var kind: Kind {
    if before == nil { return .appeared }
    if after == nil { return .vanished }
    if difference == 0 { return .same }
    return difference > 0 ? .grew : .shrank
  }

  /// The change in words: `layers.0.swiglu:gate grew by 4096 B to 9600 B (1x8x172 float32)`.
  package var sentence: String { printable(plainSentence.unicodeScalars) }

  private var plainSentence: String {
    let form = form.isEmpty ? "" : " (\(form))"
    switch kind {
    case .appeared: return "\(name) appeared, \(after ?? 0) B\(form)"
    case .vanished: return "\(name) vanished, \(before ?? 0) B\(form)"
    case .grew, .shrank:
      return "\(name) \(kind.rawValue) by \(difference.magnitude) B to \(after ?? 0) B\(form)"
    case .same: return "\(name), \(after ?? 0) B\(form)"
    }
  }
}
