import Spelling

/// The stack machine of Python's pickles, without the instructions that look up or call anything.
///
/// Opcodes: https://docs.python.org/3/library/pickletools.html, Lib/pickletools.py. It never calls
/// itself, so that no nesting can exhaust the stack, and an instruction adds one node at the most.
struct PickleReader {
  private let bytes: [UInt8]
  private var position = 0
  private var stack: [Int32] = []
  /// Heights of the stack at the marks.
  private var marks: [Int] = []
  /// Places by the number under which they are noted; -1 for none.
  private var memo: [Int32] = []

  /// A file has to be that many bytes for that many values; they are numbered with 32 bits.
  private static let mostNodes = 1 << 30

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The place of the pickle's value, all of whose nodes are now in `pickle`.
  mutating func read(into pickle: inout Pickle) throws(RecordingFault) -> Int32 {
    guard try byte() == PickleOpcode.proto.rawValue else { throw broken("has no protocol") }
    let version = try byte()
    guard (2...5).contains(version) else {
      throw RecordingFault(
        "is a pickle of protocol \(version), or none at all; protocols 2 to 5 are read")
    }
    while true {
      let code = try byte()
      guard let opcode = PickleOpcode(rawValue: code) else {
        throw broken("has the instruction 0x\(String(code, radix: 16)), which is none")
      }
      if opcode == .stop { break }
      try run(opcode, &pickle)
      guard pickle.nodes.count < Self.mostNodes else { throw broken("holds too many values") }
    }
    guard stack.count == 1, marks.isEmpty else { throw broken("leaves no single value") }
    guard position == bytes.count else { throw broken("goes on after its end") }
    return stack[0]
  }

  private func broken(_ what: String) -> RecordingFault {
    RecordingFault("is no pickle that can be read: it \(what) (byte \(position))")
  }

  private mutating func run(
    _ opcode: PickleOpcode, _ pickle: inout Pickle
  ) throws(RecordingFault) {
    switch opcode {
    case .proto: _ = try byte()
    case .frame: _ = try number(of: 8)
    case .stop: break
    case .mark: marks.append(stack.count)
    case .pop: if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .dup: stack.append(try top())
    case .none, .newTrue, .newFalse, .binInt, .binInt1, .binInt2, .long1, .long4, .binFloat:
      push(try scalar(opcode), &pickle)
    case .shortBinUnicode, .binUnicode, .binUnicode8, .binString, .shortBinString:
      try pushText(opcode, &pickle)
    case .shortBinBytes, .binBytes, .binBytes8, .byteArray8:
      _ = try take(length(opcode))
      push(.opaque(.bytes), &pickle)
    case .emptyList, .emptyTuple, .emptyDictionary, .emptySet, .list, .tuple, .tuple1, .tuple2,
      .tuple3, .dictionary, .frozenSet:
      try pushContainer(opcode, &pickle)
    case .append, .appends, .setItem, .setItems, .addItems: try fill(opcode, &pickle)
    case .binPut, .longBinPut, .memoize: try note(opcode)
    case .binGet: stack.append(try recall(Int(byte())))
    case .longBinGet: stack.append(try recall(number(of: 4)))
    case .global, .inst, .stackGlobal, .reduce, .build, .obj, .newObj, .newObjEx, .ext1, .ext2,
      .ext4, .persId, .binPersId, .nextBuffer, .readOnlyBuffer:
      throw try refusal(opcode, pickle)
    }
  }

  // MARK: Bytes

  private mutating func byte() throws(RecordingFault) -> UInt8 {
    guard position < bytes.count else { throw broken("ends within itself; it was cut off") }
    position += 1
    return bytes[position - 1]
  }

  /// The next bytes, which are there.
  private mutating func take(_ count: Int) throws(RecordingFault) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - position else {
      throw broken("ends within itself; it was cut off")
    }
    position += count
    return bytes[position - count..<position]
  }

  /// A number of up to eight bytes, the lowest first; beyond 63 bits it is as large as there is.
  private mutating func number(of count: Int) throws(RecordingFault) -> Int {
    var number: UInt64 = 0
    for byte in try take(count).reversed() { number = number << 8 | UInt64(byte) }
    return Int(clamping: number)
  }

  /// The length in front of a text or of bytes.
  private mutating func length(_ opcode: PickleOpcode) throws(RecordingFault) -> Int {
    switch opcode {
    case .shortBinUnicode, .shortBinBytes, .shortBinString, .long1: try number(of: 1)
    case .binUnicode8, .binBytes8, .byteArray8: try number(of: 8)
    default: try number(of: 4)
    }
  }

  // MARK: Values

  private mutating func push(_ node: Pickle.Node, _ pickle: inout Pickle) {
    stack.append(Int32(pickle.nodes.count))
    pickle.nodes.append(node)
  }

  private mutating func scalar(_ opcode: PickleOpcode) throws(RecordingFault) -> Pickle.Node {
    switch opcode {
    case .newTrue: return .bool(true)
    case .newFalse: return .bool(false)
    case .binInt1: return .integer(try number(of: 1))
    case .binInt2: return .integer(try number(of: 2))
    case .binInt: return .integer(Int(Int32(truncatingIfNeeded: try number(of: 4))))
    case .binFloat:
      let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return .real(Double(bitPattern: bits))
    case .long1, .long4:
      let digits = try take(length(opcode))
      guard digits.count <= 8 else { return .opaque(.longInteger) }
      let isNegative = (digits.last ?? 0) >= 0x80
      var value: UInt64 = isNegative ? .max : 0
      for digit in digits.reversed() { value = value << 8 | UInt64(digit) }
      return .integer(Int(bitPattern: UInt(value)))
    default: return .none
    }
  }

  private mutating func pushText(
    _ opcode: PickleOpcode, _ pickle: inout Pickle
  ) throws(RecordingFault) {
    let start = position
    // Python writes half a surrogate pair as if it were a character: shown, and not refused.
    let text = String(decoding: try take(length(opcode)), as: UTF8.self)
    guard text.utf8.count < 1 << 24 else {
      throw RecordingFault("holds a text of more than 16 MiB (byte \(start))")
    }
    let place: Int32
    if let known = pickle.textPlaces[text] {
      place = known
    } else {
      place = Int32(pickle.texts.count)
      pickle.texts.append(text)
      pickle.textPlaces[text] = place
    }
    push(.text(place), &pickle)
  }

  private mutating func pushContainer(
    _ opcode: PickleOpcode, _ pickle: inout Pickle
  ) throws(RecordingFault) {
    let items: [Int32]
    switch opcode {
    case .list, .tuple, .dictionary, .frozenSet: items = try popToMark()
    case .tuple1: items = try popLast(1)
    case .tuple2: items = try popLast(2)
    case .tuple3: items = try popLast(3)
    default: items = []
    }
    switch opcode {
    case .emptySet, .frozenSet: return push(.opaque(.set), &pickle)
    case .emptyDictionary, .dictionary:
      guard items.count.isMultiple(of: 2) else { throw broken("has a key without a value") }
      push(.dictionary(Int32(pickle.children.count)), &pickle)
    default: push(.list(Int32(pickle.children.count)), &pickle)
    }
    pickle.children.append(items)
  }

  /// Adds what is on top of the stack to the container below it.
  private mutating func fill(
    _ opcode: PickleOpcode, _ pickle: inout Pickle
  ) throws(RecordingFault) {
    let items: [Int32]
    switch opcode {
    case .append: items = try popLast(1)
    case .setItem: items = try popLast(2)
    default: items = try popToMark()
    }
    let isDictionary = opcode == .setItem || opcode == .setItems
    switch pickle.nodes[Int(try top())] {
    case .list(let place) where opcode == .append || opcode == .appends:
      pickle.children[Int(place)] += items
    case .dictionary(let place) where isDictionary && items.count.isMultiple(of: 2):
      pickle.children[Int(place)] += items
    case .opaque(.set) where opcode == .addItems: break
    default: throw broken("adds to what is no container of that kind")
    }
  }

  // MARK: The stack and the memo

  private func top() throws(RecordingFault) -> Int32 {
    guard let top = stack.last, stack.count > marks.last ?? 0 else {
      throw broken("takes from an empty stack")
    }
    return top
  }

  private mutating func pop() throws(RecordingFault) -> Int32 {
    let top = try top()
    stack.removeLast()
    return top
  }

  private mutating func popLast(_ count: Int) throws(RecordingFault) -> [Int32] {
    guard stack.count - count >= marks.last ?? 0 else { throw broken("takes from an empty stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(RecordingFault) -> [Int32] {
    guard let mark = marks.popLast(), mark <= stack.count else { throw broken("lacks a mark") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func note(_ opcode: PickleOpcode) throws(RecordingFault) {
    let number: Int
    switch opcode {
    case .binPut: number = Int(try byte())
    case .longBinPut: number = try self.number(of: 4)
    default: number = memo.count
    }
    let value = try top()
    // Python numbers from 0 on, so that no number passes the file's length.
    guard number <= bytes.count else { throw broken("notes a value under the number \(number)") }
    while memo.count <= number { memo.append(-1) }
    memo[number] = value
  }

  private func recall(_ number: Int) throws(RecordingFault) -> Int32 {
    guard memo.indices.contains(number), memo[number] >= 0 else {
      throw broken("recalls value \(number), which it never noted")
    }
    return memo[number]
  }

  // MARK: What is refused

  /// The sentence about an instruction that would look up or call something.
  private mutating func refusal(
    _ opcode: PickleOpcode, _ pickle: Pickle
  ) throws(RecordingFault) -> RecordingFault {
    let what: String
    switch opcode {
    case .global, .inst: what = "the class \(try quoted("\(line()).\(line())"))"
    case .stackGlobal:
      let names = try popLast(2).map { pickle.text(Pickle.Value(place: $0)) ?? "?" }
      what = "the class \(quoted(names.joined(separator: ".")))"
    case .persId, .binPersId: what = "a reference to an object outside it"
    case .nextBuffer, .readOnlyBuffer: what = "a buffer outside it"
    case .ext1, .ext2, .ext4: what = "a class of Python's extension registry"
    default: what = "a call (\(opcode.name))"
    }
    return RecordingFault(
      "holds \(what), and only lists, dictionaries, texts and numbers are read; nothing in it was "
        + "run")
  }

  /// A name that a line break ends.
  private mutating func line() throws(RecordingFault) -> String {
    let rest = bytes[position...]
    guard let end = rest.prefix(1 << 10).firstIndex(of: UInt8(ascii: "\n")) else {
      throw broken("ends within a name")
    }
    defer { position = end + 1 }
    return String(decoding: rest[..<end], as: UTF8.self)
  }
}
