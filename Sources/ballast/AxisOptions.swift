import ArgumentParser
import Retention

/// Some of the axes, as a group of options.
protocol AxisGroup {
  static var axes: [PointAxis] { get }
}

enum SizeAxes: AxisGroup {
  static var axes: [PointAxis] { PointAxis.sizes }
}

enum TokenAxes: AxisGroup {
  static var axes: [PointAxis] { PointAxis.all.filter { $0.section == .tokens } }
}

enum PrefixAxes: AxisGroup {
  /// The mode first, then what goes with some of its words.
  static var axes: [PointAxis] {
    let axes = PointAxis.all.filter { $0.section == .prefix }
    return axes.filter { $0.conditions.isEmpty } + axes.filter { !$0.conditions.isEmpty }
  }
}

enum StepAxes: AxisGroup {
  static var axes: [PointAxis] { PointAxis.all.filter { $0.section == .step } }
}

enum RunAxes: AxisGroup {
  static var axes: [PointAxis] { PointAxis.all.filter { $0.section == .run } }
}

/// What was written for an axis.
typealias AxisText = (axis: PointAxis, text: String)

/// An option for every axis of a group, made from the axis.
///
/// ArgumentParser finds options in the mirror of a value that `init()` makes, under labels with an
/// underscore as property wrappers have it, and has a parsed value decode each under the same name.
struct AxisOptions<Group: AxisGroup>: ParsableArguments, CustomReflectable {
  /// The axes that were given, in the registry's order.
  private(set) var texts: [AxisText] = []

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AxisKey.self)
    for axis in Group.axes {
      let option = try container.decode(Option<String?>.self, forKey: AxisKey(axis.name))
      if let text = option.wrappedValue { texts.append((axis, text)) }
    }
  }

  var customMirror: Mirror {
    let options = Group.axes.map { axis in
      // Numbers take what follows whatever it looks like, so that -1 is refused with a sentence.
      return (
        label: "_\(axis.name)",
        value: Option<String?>(
          name: .customLong(axis.option), parsing: axis.kind.isNumber ? .unconditional : .next,
          help: ArgumentHelp(stringLiteral: axis.sentence)) as Any
      )
    }
    return Mirror(self, children: options.map { (label: Optional($0.label), value: $0.value) })
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
