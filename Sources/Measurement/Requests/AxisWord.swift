package import Files
package import Retention
package import Tensors

/// The values of an axis, as words.
package protocol AxisWord: RawRepresentable<String>, CaseIterable, Sendable {}

extension Mode: AxisWord {}
extension Recompute: AxisWord {}
extension AttentionKind: AxisWord {}
extension HeadKind: AxisWord {}
extension KeyValueGradientKind: AxisWord {}
extension LossRows: AxisWord {}
extension Recipe: AxisWord {}
extension BackendKind: AxisWord {}
extension DType: AxisWord {}

extension AxisWord {
  /// Every word of the axis.
  package static var words: [String] { allCases.map(\.rawValue) }

  /// Reads a word of the axis.
  ///
  /// - Throws: `ValueError` with the nearest valid word.
  package init(word: String, axis: String) throws(ValueError) {
    guard let value = Self.allCases.first(where: { $0.rawValue == word }) else {
      throw ValueError(
        "unknown \(axis) \(quoted(word)); \(Words.advice(for: word, among: Self.words))")
    }
    self = value
  }
}
