import Files
import Foundation
import Spelling

/// `journal.jsonl`: a line a finished point with its rows, on disk before the next point starts.
///
/// The CSV files are made of it, so that whatever ends the process they can be made again. A line
/// that such an end has torn, or whose digest says that it has changed, is cut off with what
/// follows, and those points are measured again. When the sweep is complete, the journal goes.
struct Journal: Sendable {
  /// One line, a JSON object of which the first member is the digest of the rest.
  struct Entry: Codable {
    let index: Int
    let rows: PointRows
    let isInterrupted: Bool

    private enum CodingKeys: String, CodingKey {
      case index, rows
      case isInterrupted = "interrupted"
    }
  }

  static let name = "journal.jsonl"

  private let file: AppendedFile

  /// Opens the journal of a folder, or begins one.
  init(in folder: ResultsFolder) throws(FileError) {
    file = try AppendedFile(folder.file(Self.name), creates: true)
    try syncFolder(folder.path)
  }

  /// Opens the journal of a folder that is only read.
  init(reading folder: ResultsFolder) throws(FileError) {
    file = try AppendedFile(folder.file(Self.name), isReadOnly: true)
  }

  /// Appends a point and waits until it is on disk; returns where its line stands.
  func append(_ point: FinishedPoint) throws(FileError) -> Range<Int> {
    let entry = Entry(index: point.index, rows: point.rows, isInterrupted: point.isInterrupted)
    let start = file.size
    try file.append(Self.line(of: entry), syncs: true)
    return start..<file.size
  }

  /// An entry's line.
  private static func line(of entry: Entry) -> String {
    let text = JSONLine.text(of: entry)
    return head(of: text.utf8) + text.dropFirst()
  }

  /// What stands in place of the brace that opens an object with these bytes.
  private static func head(of bytes: some Sequence<UInt8>) -> String {
    var digest = Digest()
    digest.add(bytes)
    return "{\"digest\":\"\(digest.text)\","
  }

  /// The entry on a line; nil if it is none, or is not as it was written.
  private static func entry(of line: [UInt8]) -> Entry? {
    let object = [UInt8(ascii: "{")] + line.dropFirst(head(of: []).utf8.count)
    guard line.starts(with: head(of: object).utf8) else { return nil }
    return JSONLine.value(Entry.self, of: object)
  }

  /// The entry at a place that `append`, `restore` or `read` gave.
  func entry(at place: Range<Int>) throws(FileError) -> Entry {
    guard let entry = Self.entry(of: try file.read(at: place.lowerBound, count: place.count))
    else { throw FileError("\(Self.name) has changed while it was used") }
    return entry
  }

  /// The line at such a place, as it is.
  func line(at place: Range<Int>) throws(FileError) -> String {
    String(decoding: try file.read(at: place.lowerBound, count: place.count), as: UTF8.self)
  }

  /// Reads every whole line in order, and cuts off what comes after the last of them.
  func restore(
    _ body: (Entry, Range<Int>) throws(FileError) -> Void
  ) throws(FileError) {
    let end = try read(body)
    if end < file.size { try file.truncate(to: end) }
  }

  /// Reads every whole line in order, and returns where the last of them ends.
  @discardableResult func read(
    _ body: (Entry, Range<Int>) throws(FileError) -> Void
  ) throws(FileError) -> Int {
    let size = file.size
    var start = 0
    var buffer: [UInt8] = []
    reading: while start + buffer.count < size {
      let more = try file.read(at: start + buffer.count, count: 1 << 20)
      if more.isEmpty { break }
      buffer += more
      var used = 0
      while let end = buffer[used...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(buffer[used...end])
        guard let entry = Self.entry(of: line) else { break reading }
        try body(entry, start..<(start + line.count))
        used = end + 1
        start += line.count
      }
      buffer.removeFirst(used)
    }
    return start
  }
}

/// JSON on one line, as the journal and the workers' pipes carry it.
enum JSONLine {
  static func text(of value: some Encodable) -> String {
    JSONText.encoded(value).text + "\n"
  }

  /// nil if the bytes are not such a value.
  static func value<Value: Decodable>(_ type: Value.Type, of bytes: [UInt8]) -> Value? {
    try? JSONDecoder().decode(type, from: Data(bytes))
  }
}
