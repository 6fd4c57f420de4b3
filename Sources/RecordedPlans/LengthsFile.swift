package import Files
import Recordings
import Spelling

/// Samples of a data set by their lengths: a line each, `n_c,n_g` or `n_c n_g`.
///
/// Blank lines are passed over. n_g may be missing: it is then the recording's own. The first line
/// may name columns, of which `n_c` and `n_g` are read, in any order.
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
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
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

  /// What commas separate, or else spaces.
  private static func fields(_ line: ArraySlice<UInt8>) -> [String] {
    let text = String(decoding: line, as: UTF8.self)
    guard line.contains(UInt8(ascii: ",")) else {
      return text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
    return text.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.filter { !$0.isWhitespace && $0 != "\"" }
    }
  }

  private static func integer(_ text: String) -> Int? {
    Int(text).flatMap { (0...mostTokens).contains($0) ? $0 : nil }
  }
}
