package import Values

/// A value on some axis, whatever its type.
package struct AxisValue: Hashable, Sendable {
  package let base: any WrittenValue

  package init(_ base: any WrittenValue) { self.base = base }

  /// The value as result files, profiles and the command line write it.
  package var text: String { base.written }

  package static func == (left: AxisValue, right: AxisValue) -> Bool {
    left.base.equals(right.base)
  }

  package func hash(into hasher: inout Hasher) { base.hash(into: &hasher) }
}
