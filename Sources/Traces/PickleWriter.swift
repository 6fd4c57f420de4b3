/// A value that a pickle can hold.
package indirect enum PickledValue {
  case integer(Int)
  case text(String)
  case list([PickledValue])
  /// Members in order.
  case dictionary([(String, PickledValue)])
}

/// Writes Python's pickle format, protocol 2, by hand: no Swift package does, and five kinds of
/// values are all that a memory snapshot has.
///
/// Opcodes: https://docs.python.org/3/library/pickletools.html. PyTorch's viewer reads these.
package struct PickleWriter {
  private var bytes: [UInt8] = [0x80, 2]  // PROTO 2

  /// The pickle of one value.
  package static func bytes(of value: PickledValue) -> [UInt8] {
    var writer = PickleWriter()
    writer.write(value)
    writer.bytes.append(UInt8(ascii: "."))  // STOP
    return writer.bytes
  }

  /// As many items are added at a time as Python itself adds; readers keep them on a stack.
  private static let batch = 1000

  private mutating func write(_ value: PickledValue) {
    switch value {
    case .integer(let value):
      if let small = Int32(exactly: value) {
        bytes.append(UInt8(ascii: "J"))  // BININT
        append(small)
      } else {
        bytes += [0x8a, 8]  // LONG1, of eight bytes
        append(value)
      }
    case .text(let text):
      bytes.append(UInt8(ascii: "X"))  // BINUNICODE
      append(UInt32(text.utf8.count))
      bytes += Array(text.utf8)
    case .list(let values):
      bytes.append(UInt8(ascii: "]"))  // EMPTY_LIST
      inBatches(values, endingWith: UInt8(ascii: "e")) { $0.write($1) }  // APPENDS
    case .dictionary(let members):
      bytes.append(UInt8(ascii: "}"))  // EMPTY_DICT
      inBatches(members, endingWith: UInt8(ascii: "u")) { writer, member in  // SETITEMS
        writer.write(.text(member.0))
        writer.write(member.1)
      }
    }
  }

  private mutating func inBatches<Item>(
    _ items: [Item], endingWith opcode: UInt8, _ write: (inout PickleWriter, Item) -> Void
  ) {
    var rest = items[...]
    while !rest.isEmpty {
      bytes.append(UInt8(ascii: "("))  // MARK
      for item in rest.prefix(Self.batch) { write(&self, item) }
      bytes.append(opcode)
      rest = rest.dropFirst(Self.batch)
    }
  }

  /// A number's bytes, the lowest first.
  private mutating func append<Number: FixedWidthInteger>(_ number: Number) {
    for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
    }
  }
}
