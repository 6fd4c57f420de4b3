package import Files
import Spelling

/// The members of a JSON object while it is read: each is fetched by its name, type and range.
///
/// Members that nobody asks for are passed over, so that a later writer may add some.
package struct RecordedMembers {
  /// Where the object stands in its file, such as `tensors`; empty for the file itself.
  private let place: String
  private let members: [String: JSON]

  package init(_ value: JSON, at place: String = "") throws(RecordingFault) {
    guard case .object(let members) = value else {
      let title = place.isEmpty ? "it" : quoted(place)
      throw RecordingFault("\(title) must be an object, not \(value.kind)")
    }
    (self.place, self.members) = (place, members)
  }

  /// The names of all members.
  package var names: [String] { members.keys.sorted() }

  /// The member's name with those of the objects around it, in quotes.
  package func title(_ name: String) -> String { quoted(place.isEmpty ? name : "\(place).\(name)") }

  private func wrongType(_ name: String, _ value: JSON, _ wanted: String) -> RecordingFault {
    RecordingFault("\(title(name)) must be \(wanted), not \(value.kind)")
  }

  /// A member that has to be there.
  package func value(_ name: String) throws(RecordingFault) -> JSON {
    guard let value = members[name] else { throw RecordingFault("\(title(name)) is missing") }
    return value
  }

  /// A member that may be missing or null.
  package func optional(_ name: String) -> JSON? {
    members[name].flatMap { $0 == .null ? nil : $0 }
  }

  package func object(_ name: String) throws(RecordingFault) -> RecordedMembers {
    try RecordedMembers(value(name), at: place.isEmpty ? name : "\(place).\(name)")
  }

  package func text(_ name: String) throws(RecordingFault) -> String {
    let value = try value(name)
    guard case .string(let text) = value else { throw wrongType(name, value, "a text") }
    return text
  }

  package func integer(
    _ name: String, in range: ClosedRange<Int>
  ) throws(RecordingFault) -> Int {
    let value = try value(name)
    guard case .integer(let integer) = value, range.contains(integer) else {
      throw wrongType(name, value, Self.words(for: range))
    }
    return integer
  }

  package func array(_ name: String) throws(RecordingFault) -> [JSON] {
    let value = try value(name)
    guard case .array(let values) = value else { throw wrongType(name, value, "an array") }
    return values
  }

  package func texts(_ name: String) throws(RecordingFault) -> [String] {
    let values = try array(name)
    var texts: [String] = []
    texts.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      guard case .string(let text) = value else {
        throw wrongType("\(name)[\(index)]", value, "a text")
      }
      texts.append(text)
    }
    return texts
  }

  /// Whole numbers, all in one range.
  package func integers(
    _ name: String, in range: ClosedRange<Int>
  ) throws(RecordingFault) -> [Int] {
    try Self.integers(array(name), in: range) { "\(title("\(name)[\($0)]"))" }
  }

  static func integers(
    _ values: [JSON], in range: ClosedRange<Int>, title: (Int) -> String
  ) throws(RecordingFault) -> [Int] {
    var integers: [Int] = []
    integers.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      guard case .integer(let integer) = value, range.contains(integer) else {
        throw RecordingFault("\(title(index)) must be \(words(for: range)), not \(value.kind)")
      }
      integers.append(integer)
    }
    return integers
  }

  /// Texts by name; numbers and flags become texts, as they are written.
  package func plainTexts(_ name: String) throws(RecordingFault) -> [String: String] {
    let object = try object(name)
    var texts: [String: String] = [:]
    for (key, value) in object.members where value != .null {
      guard let text = value.plainText else {
        throw object.wrongType(key, value, "a text or a number")
      }
      texts[key] = text
    }
    return texts
  }

  private static func words(for range: ClosedRange<Int>) -> String {
    range.upperBound >= 1 << 60
      ? "a whole number of \(range.lowerBound) or more"
      : "a whole number from \(range.lowerBound) to \(range.upperBound)"
  }
}

extension JSON {
  /// A value that is no list and no object, as a text; nil for those and for null.
  package var plainText: String? {
    switch self {
    case .string(let text): text
    case .integer(let value): String(value)
    case .number(let value): value.description
    case .bool(let value): String(value)
    case .null, .array, .object: nil
    }
  }
}
