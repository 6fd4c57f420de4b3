package import Values

/// One axis of a measurement: all that profiles, options, columns, series and budgets know.
///
/// ```
///   words on a command line, in a profile, in a test ── read ──▶ AxisValue ── write ──▶ Point
///   cells of result files, labels, baselines, selections ◀─── text ─── value ◀────────── Point
/// ```
package struct PointAxis: Sendable {
  /// Where help and tables show an axis, in the order of help.
  package enum Section: String, CaseIterable, Sendable {
    /// How many tokens there are.
    case tokens
    /// Sizes of the model; in a profile all but `layers` stand under `model`.
    case model
    /// How the prefix takes part.
    case prefix
    /// What the step does.
    case step
    /// Where and how it runs.
    case run
  }

  /// Values of another axis of which the point must have one, or else this axis says nothing.
  package struct Condition: Sendable {
    package let axis: String
    package let values: Set<String>
  }

  /// In snake_case, as profiles and result files write it.
  package let name: String
  package let kind: ValueKind
  /// The values that a user may choose; empty where they cannot be listed.
  package let choices: [AxisValue]
  /// What a value must be, as the end of a sentence.
  package let expected: String
  package let section: Section
  /// What it is about, as the start of a sentence.
  private let help: String
  /// Reads a value.
  ///
  /// - Throws: `ValueError` with the axis, the text and what is wrong with it.
  package let read: @Sendable (WrittenText) throws(ValueError) -> AxisValue
  /// A point's value.
  package let value: @Sendable (Point) -> AxisValue
  /// Gives a point a value; nothing changes where the point's mode does not have the axis.
  package let write: @Sendable (inout Point, AxisValue) -> Void

  /// The values that are possible; nil for all of the kind.
  package private(set) var range: ClosedRange<Int>?
  /// Whether every point must say it; there is no default.
  package private(set) var isRequired = false
  /// What stands for a default that depends on something else.
  private var unlessGiven: String?
  /// The value that stands for all of a series, which does not distinguish points by this axis.
  package private(set) var seriesValue: AxisValue?
  /// What the point has whose gradient is the exact one; nil: the same.
  package private(set) var referenceValue: AxisValue?
  /// What the axis goes with, one of them being enough; empty: with everything.
  package private(set) var conditions: [Condition] = []
  /// Whether tables of one point leave it out where it has its default.
  package private(set) var isQuiet = false
  /// Whether bytes depend on it; else baselines do without.
  package private(set) var changesBytes = true

  /// How the command line spells it.
  package var option: String { name.replacing("_", with: "-") }

  /// What a point has that says nothing else.
  package var standard: AxisValue { value(.standard) }

  /// Whether the axis means anything beside the point's other values.
  package func speaks(in point: Point) -> Bool {
    speaks { PointAxis.named($0).value(point).text }
  }

  /// The same of a point that is known by the texts of its axes.
  package func speaks(in text: (_ axis: String) -> String) -> Bool {
    conditions.isEmpty || conditions.contains { $0.values.contains(text($0.axis)) }
  }

  /// The help of its option: what it is about, its words, its default.
  package var sentence: String {
    var text = help
    if case .words(let words) = kind { text += ": " + words.joined(separator: ", ") }
    text += "."
    let standard = standard.text
    if isRequired || section == .model || unlessGiven == nil && standard.isEmpty { return text }
    return text + " (default: \(unlessGiven ?? standard))"
  }
}

// MARK: Kinds

extension PointAxis {
  /// Where a point has an axis of some type.
  typealias Path<Value> = any WritableKeyPath<Point, Value> & Sendable

  /// An axis whose values are of some type.
  static func values<Value: WrittenValue>(
    _ name: String, _ section: Section, _ path: Path<Value>, _ help: String
  ) -> PointAxis {
    PointAxis(name, section, path, help)
  }

  /// An axis of whole numbers in a range.
  static func integers(
    _ name: String, _ section: Section, _ path: Path<Int>, _ range: ClosedRange<Int>,
    _ help: String
  ) -> PointAxis {
    PointAxis(name, section, path, help).with { $0.range = range }
  }

  private init<Value: WrittenValue>(
    _ name: String, _ section: Section, _ path: Path<Value>, _ help: String
  ) {
    (self.name, self.section, self.help) = (name, section, help)
    (kind, expected) = (Value.kind, Value.expected)
    choices = Value.choices.map { AxisValue($0) }
    read = { (written) throws(ValueError) in AxisValue(try Value(written, for: name)) }
    value = { AxisValue($0[keyPath: path]) }
    write = { point, value in
      guard let own = value.base as? Value else {
        preconditionFailure("\(value) is no value of \(name)")
      }
      point[keyPath: path] = own
    }
  }
}

// MARK: Traits

extension PointAxis {
  /// Without a default.
  func required() -> PointAxis { with { $0.isRequired = true } }

  /// With a default that depends on something else, told in words.
  func unlessGiven(_ words: String) -> PointAxis { with { $0.unlessGiven = words } }

  /// Points of one series may differ in it; all of them count as having `value`.
  func inSeries(_ value: AxisValue) -> PointAxis { with { $0.seriesValue = value } }

  /// The point whose gradient is the exact one has this word.
  func inReference<Value: AxisWord>(_ value: Value) -> PointAxis {
    with { $0.referenceValue = AxisValue(value) }
  }

  /// It says something only beside these values of another axis, or beside those named before.
  func goesWith<Value: AxisWord>(_ axis: String, _ values: Value...) -> PointAxis {
    with {
      $0.conditions.append(Condition(axis: axis, values: Set(values.map(\.rawValue))))
    }
  }

  /// Tables of one point leave it out where it has its default.
  func quiet() -> PointAxis { with { $0.isQuiet = true } }

  /// Bytes do not depend on it.
  func withoutBytes() -> PointAxis { with { $0.changesBytes = false } }

  private func with(_ change: (inout PointAxis) -> Void) -> PointAxis {
    var axis = self
    change(&axis)
    return axis
  }
}
