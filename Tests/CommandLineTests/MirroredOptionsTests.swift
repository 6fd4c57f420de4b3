import ArgumentParser
import Testing

/// Options that stand in a mirror alone, as `AxisOptions` has those of the axes.
private struct MirroredOptions: ParsableArguments, CustomReflectable {
  static let names = ["left", "right_hand"]
  private(set) var given: [String: String] = [:]

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for name in Self.names {
      given[name] = try container.decode(Option<String?>.self, forKey: Key(name)).wrappedValue
    }
  }

  var customMirror: Mirror {
    Mirror(
      self,
      children: Self.names.map { name in
        let option = Option<String?>(
          name: .customLong(name.replacing("_", with: "-")), help: "About \(name).")
        return (label: "_\(name)", value: option)
      })
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }
}

private struct Outer: ParsableArguments {
  @OptionGroup var inner: MirroredOptions
  @Option var other: String?
}

/// What `AxisOptions` relies on, and no page of ArgumentParser promises: that it finds options in a
/// value's mirror, under the label of a property wrapper, and has the value decode them by name.
@Suite struct MirroredOptionsTests {
  @Test func `options of a mirror are parsed and decoded, alone and in a group`() throws {
    #expect(try MirroredOptions.parse([]).given.isEmpty)
    let alone = try MirroredOptions.parse(["--right-hand", "4", "--left=a b"])
    #expect(alone.given == ["left": "a b", "right_hand": "4"])
    let outer = try Outer.parse(["--left", "x", "--other", "y"])
    #expect(outer.inner.given == ["left": "x"] && outer.other == "y")
  }

  @Test func `help lists them, and what is none is refused`() {
    let help = Outer.helpMessage()
    #expect(help.contains("--right-hand <right-hand>") && help.contains("About right_hand."))
    #expect(throws: (any Error).self) { try MirroredOptions.parse(["--right_hand", "4"]) }
    #expect(throws: (any Error).self) { try MirroredOptions.parse(["--left"]) }
  }
}
