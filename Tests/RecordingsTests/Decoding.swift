import Foundation
import Recordings
import Testing

/// The bytes of a sample.
func bytes(ofBase64 text: String) throws -> [UInt8] {
  Array(try #require(Data(base64Encoded: text)))
}

/// Whether an error's sentence is one line, fit to stand behind a file's name.
func isSentence(_ fault: RecordingFault) -> Bool {
  fault.sentence.count > 8 && fault.sentence.utf8.count < 2000
    && !fault.sentence.unicodeScalars.contains { $0.value < 0x20 }
}
