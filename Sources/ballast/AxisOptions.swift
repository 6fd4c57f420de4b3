import ArgumentParser
import Retention
import Values

/// An option for every axis, made from the axis.
///
/// ArgumentParser finds options in the mirror of a value that `init()` makes, under labels with an
/// underscore as property wrappers have it, and has a parsed value decode each under the same name.
struct AxisOptions: ParsableArguments, CustomReflectable {
  /// What was given, in the order of help.
  private(set) var texts: [(axis: PointAxis, text: String)] = []

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AxisKey.self)
    for axis in Self.axes {
      let option = try container.decode(Option<String?>.self, forKey: AxisKey(axis.name))
      if let text = option.wrappedValue { texts.append((axis, text)) }
    }
  }

  /// The settings that were given, beside some others.
  func settings(beside others: AxisSettings = AxisSettings()) throws(ValueError) -> AxisSettings {
    var settings = others
    for (axis, text) in texts { try settings.set(axis.name, text) }
    return settings
  }

  /// What was given for an axis; nil for nothing.
  func text(of name: String) -> String? { texts.first { $0.axis.name == name }?.text }

  var customMirror: Mirror {
    Mirror(self, children: Self.axes.map { (label: "_\($0.name)", value: Self.option(of: $0)) })
  }

  /// All but the model, which is a name or a path; of a section the axes first that go with nothing
  /// else.
  static let axes = PointAxis.Section.allCases.flatMap { section in
    let axes = PointAxis.all.filter { $0.section == section && $0.name != "model" }
    return axes.filter { $0.conditions.isEmpty } + axes.filter { !$0.conditions.isEmpty }
  }

  /// Numbers take what follows whatever it looks like, so that −1 is refused with a sentence.
  private static func option(of axis: PointAxis) -> Option<String?> {
    Option<String?>(
      name: .customLong(axis.option), parsing: axis.kind.isNumber ? .unconditional : .next,
      help: ArgumentHelp(stringLiteral: axis.sentence), completion: completion(of: axis))
  }

  private static func completion(of axis: PointAxis) -> CompletionKind {
    if case .words(let words) = axis.kind { return .list(words) }
    return axis.name == "adapter" ? .directory : .default
  }
}

/// The name of an axis under which its option is decoded.
private struct AxisKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}
