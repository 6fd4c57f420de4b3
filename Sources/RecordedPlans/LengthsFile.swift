package import Files
import Recordings
import Spelling

/// Samples of a data set by their lengths: a line each, `n_c,n_g` or `n_c n_g`.
///
/// Blank lines are passed over. A line of one number, or a file without a column `n_g`, has the
/// recording's own. The first line may name columns, of which `n_c` and `n_g` are read, in any
/// order; what stands in quotes may hold commas and line ends, as RFC 4180 has it.
package struct LengthsFile: Sendable {
  package struct Sample: Hashable, Sendable {
    /// From 1 on.
    package let line: Int
    package let nC: Int
    package let nG: Int?
  }

  package let path: String
  package let samples: [Sample]

  /// Files of some ten million samples.
  private static let mostBytes = 1 << 28
  private static let mostTokens = 1 << 40

  /// Reads and checks a file.
  ///
  /// - Throws: `FileError` for a file that is missing, too large, or has a line that is no lengths.
  package init(_ path: String) throws(FileError) {
    do throws(RecordingFault) {
      let bytes: [UInt8]
      do throws(OpenedFile.Failure) {
        bytes = try OpenedFile(path).contents(most: Self.mostBytes)
      } catch {
        throw RecordingFault(error.isMissing ? "there is no such file" : error.sentence)
      }
      self.path = path
      samples = try Self.samples(bytes)
      guard !samples.isEmpty else {
        throw RecordingFault("holds no lengths; write a line a sample, such as 1024,256")
      }
    } catch {
      throw error.of(path)
    }
  }

  private static func samples(_ bytes: [UInt8]) throws(RecordingFault) -> [Sample] {
    var samples: [Sample] = []
    var columns: (nC: Int, nG: Int?)?
    var isFirst = true
    var number = 0
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]  // which spreadsheets put in front
    let text = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
    var rest = text
    while !rest.isEmpty {
      let line = try cutLine(from: &rest, at: number + 1)
      defer { number += line.count { $0 == UInt8(ascii: "\n") } }
      number += 1
      let fields = fields(line)
      guard fields.contains(where: { !$0.isEmpty }) else { continue }
      if isFirst {
        isFirst = false
        columns = fields.firstIndex(of: "n_c").map { ($0, fields.firstIndex(of: "n_g")) }
        if columns != nil { continue }
      }
      let places = columns ?? (0, 1)
      func field(_ place: Int?) -> String? {
        place.flatMap { fields.indices.contains($0) && !fields[$0].isEmpty ? fields[$0] : nil }
      }
      let generated = field(places.nG)
      if let place = places.nG, fields.indices.contains(place), generated == nil {
        throw RecordingFault(
          "line \(number), \(quoted(String(decoding: line, as: UTF8.self))), has an empty n_g; "
            + "write a number, or leave the comma or the column out for the recording's own n_g")
      }
      guard columns != nil || fields.count <= 2, let nC = field(places.nC).flatMap(integer),
        generated == nil || generated.flatMap(integer) != nil
      else {
        throw RecordingFault(
          "line \(number), \(quoted(String(decoding: line, as: UTF8.self))), is no sample; write "
            + "n_c,n_g as whole numbers such as 1024,256, or name columns n_c,n_g in the first line"
        )
      }
      samples.append(Sample(line: number, nC: nC, nG: generated.flatMap(integer)))
    }
    return samples
  }

  private static let (quote, comma, end) = (
    UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "\n")
  )

  /// Takes a line off, without its end: the first end that stands in no quotes.
  private static func cutLine(
    from rest: inout ArraySlice<UInt8>, at number: Int
  ) throws(RecordingFault) -> ArraySlice<UInt8> {
    var isQuoted = false
    var place = rest.startIndex
    while place < rest.endIndex, isQuoted || rest[place] != end {
      if rest[place] == quote { isQuoted.toggle() }
      place += 1
    }
    guard !isQuoted else {
      throw RecordingFault("line \(number) has a quote that nothing closes")
    }
    defer { rest = rest[min(place + 1, rest.endIndex)...] }
    return rest[..<place]
  }

  /// What commas outside of quotes separate, or else spaces; without its quotes.
  private static func fields(_ line: ArraySlice<UInt8>) -> [String] {
    var fields: [[UInt8]] = [[]]
    var isQuoted = false
    for byte in line {
      if byte == quote {
        isQuoted.toggle()
      } else if byte == comma, !isQuoted {
        fields.append([])
      } else {
        fields[fields.count - 1].append(byte)
      }
    }
    let texts = fields.map { String(decoding: $0, as: UTF8.self) }
    guard texts.count == 1 else { return texts.map { $0.filter { !$0.isWhitespace } } }
    return texts[0].split(whereSeparator: \.isWhitespace).map(String.init)
  }

  private static func integer(_ text: String) -> Int? {
    Int(text).flatMap { (0...mostTokens).contains($0) ? $0 : nil }
  }
}
