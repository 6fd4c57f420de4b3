/// The plain values of a Python pickle: nothing in it is ever run.
///
/// ```
///   bytes ─▶ PickleReader ─▶ nodes:    none, bool, integer, real, text, list, dictionary, opaque
///                            texts:    each text once, so that equal keys are equal places
///                            children: what is in each list and dictionary, by place
/// ```
///
/// A value is a place in `nodes`. What the pickler shared is shared here too, so that reading takes
/// time and memory in proportion to the file, whatever it says; lists may hold themselves.
package struct Pickle: Sendable {
  /// A value, by its place.
  package struct Value: Hashable, Sendable {
    let place: Int32
  }

  enum Node {
    case none
    case bool(Bool)
    case integer(Int)
    case real(Double)
    /// Place in `texts`.
    case text(Int32)
    /// Bytes, sets and numbers beyond 64 bits, which no snapshot has; only their kind is kept.
    case opaque(Kind)
    /// Place in `children`; lists and tuples are alike.
    case list(Int32)
    /// Place in `children`, where a key and its value follow each other.
    case dictionary(Int32)
  }

  /// What cannot be looked into.
  enum Kind {
    case bytes, set, longInteger
  }

  var nodes: [Node] = []
  var texts: [String] = []
  var textPlaces: [String: Int32] = [:]
  var children: [[Int32]] = []
  /// Bytes of the file: a bound for what walks over its values.
  let size: Int
  /// The value of the whole pickle.
  package private(set) var root = Value(place: 0)

  /// Whether a file begins as a pickle of protocol 2 or later does.
  package static func isOne(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: [0x80]) }

  /// Reads a pickle of protocols 2 to 5.
  ///
  /// - Throws: `RecordingFault` for a file that is broken or cut off, and for one that holds
  ///   anything but plain values: a class, a function, a call.
  package init(_ bytes: [UInt8]) throws(RecordingFault) {
    size = bytes.count
    var reader = PickleReader(bytes)
    root = Value(place: try reader.read(into: &self))
  }
}

// MARK: What a value is

extension Pickle {
  package func integer(_ value: Value) -> Int? {
    switch nodes[Int(value.place)] {
    case .integer(let integer): integer
    case .bool(let flag): flag ? 1 : 0
    default: nil
    }
  }

  package func flag(_ value: Value) -> Bool? {
    if case .bool(let flag) = nodes[Int(value.place)] { return flag }
    return nil
  }

  package func real(_ value: Value) -> Double? {
    switch nodes[Int(value.place)] {
    case .real(let real): real
    case .integer(let integer): Double(integer)
    default: nil
    }
  }

  package func text(_ value: Value) -> String? {
    textPlace(value).map { texts[Int($0)] }
  }

  /// The place of a text in `texts`, to compare it by.
  func textPlace(_ value: Value) -> Int32? {
    if case .text(let place) = nodes[Int(value.place)] { return place }
    return nil
  }

  /// How many values a list holds; nil for what is none.
  package func count(_ value: Value) -> Int? {
    guard case .list(let place) = nodes[Int(value.place)] else { return nil }
    return children[Int(place)].count
  }

  package func item(_ index: Int, of list: Value) -> Value? {
    guard case .list(let place) = nodes[Int(list.place)] else { return nil }
    return children[Int(place)].indices.contains(index)
      ? Value(place: children[Int(place)][index]) : nil
  }

  /// Whether the value is a dictionary.
  package func isDictionary(_ value: Value) -> Bool {
    if case .dictionary = nodes[Int(value.place)] { return true }
    return false
  }

  /// A name as a key, looked up once for many dictionaries; nil if no text of the file is equal.
  package func key(_ name: String) -> Key? { textPlaces[name].map { Key(place: $0) } }

  /// A key, by the place of its text.
  package struct Key: Sendable {
    let place: Int32
  }

  /// A member of a dictionary; of a key that is there twice the last one, as Python has it.
  package func member(_ key: Key?, of dictionary: Value) -> Value? {
    guard let key, case .dictionary(let place) = nodes[Int(dictionary.place)] else { return nil }
    let members = children[Int(place)]
    var index = members.count - 2
    while index >= 0 {
      if case .text(key.place) = nodes[Int(members[index])] {
        return Value(place: members[index + 1])
      }
      index -= 2
    }
    return nil
  }

  package func member(_ name: String, of dictionary: Value) -> Value? {
    member(key(name), of: dictionary)
  }

  /// What kind of value it is, for an error's sentence.
  package func kind(_ value: Value) -> String {
    switch nodes[Int(value.place)] {
    case .none: "None"
    case .bool(let flag): flag ? "True" : "False"
    case .integer(let integer): "\(integer)"
    case .real(let real): "\(real)"
    case .text: "a text"
    case .opaque(.bytes): "bytes"
    case .opaque(.set): "a set"
    case .opaque(.longInteger): "a number beyond 64 bits"
    case .list: "a list"
    case .dictionary: "a dictionary"
    }
  }
}
