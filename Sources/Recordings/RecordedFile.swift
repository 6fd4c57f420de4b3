package import Files

/// A file in which somebody recorded what a step allocates, whatever wrote it.
package enum RecordedFile {
  /// By `ballast-probe record` or `ballast_probe.step`.
  case recording(Recording)
  /// By `torch.cuda.memory._dump_snapshot`.
  case snapshot(CUDASnapshot)
  /// Numbers of a snapshot alone, as they are kept for checks of the allocator.
  case trace(MemoryStream)

  /// Larger than files of a million events.
  static let mostBytes = 2 << 30
  /// Values of one JSON file: some twenty a tensor of the largest recording.
  private static let mostValues = 1 << 26

  /// What `ballast-probe record` calls its file.
  package static let name = "recording.json.gz"

  /// The file that a path names: itself, or the recording in a folder.
  package static func place(_ path: String) -> String {
    Paths.isDirectory(path) ? Paths.join(path, name) : path
  }

  /// Reads and checks a file, or the recording in a folder.
  ///
  /// - Throws: `FileError` for a file that is missing, too large, broken or of another kind.
  package init(_ path: String) throws(FileError) {
    let path = Self.place(path)
    do throws(RecordingFault) {
      let bytes = try Self.bytes(path)
      if Pickle.isOne(bytes) {
        self = .snapshot(try CUDASnapshot(Pickle(bytes)))
        return
      }
      let json = try Self.json(bytes)
      self =
        try RecordedMembers(json).optional("format") == nil
        ? .trace(MemoryStream(trace: RecordedMembers(json))) : .recording(Recording(json))
    } catch {
      throw error.of(path)
    }
  }

  /// The recording in a file, for commands that take nothing else.
  ///
  /// - Throws: `FileError` as above, and for a file of another kind.
  package static func recording(_ path: String) throws(FileError) -> Recording {
    guard case .recording(let recording) = try RecordedFile(path) else {
      throw RecordingFault(
        "is no recording, which ballast-probe record writes; what it holds is for ballast allocator"
      ).of(path)
    }
    return recording
  }

  package static func bytes(_ path: String) throws(RecordingFault) -> [UInt8] {
    do throws(OpenedFile.Failure) {
      let bytes = try OpenedFile(path).contents(most: mostBytes)
      if GitLFS.isPointer(bytes) { throw .pointer }
      return bytes
    } catch {
      throw RecordingFault(error.isMissing ? "there is no such file" : error.sentence)
    }
  }

  /// The JSON in a file, packed by gzip or not.
  package static func json(_ bytes: [UInt8]) throws(RecordingFault) -> JSON {
    try refuseForeign(bytes)
    let text = Gzip.isOne(bytes) ? try Gzip.unpacked(bytes, most: mostBytes) : bytes
    do throws(JSONError) {
      return try JSONParser.parse(text, maximumValues: mostValues)
    } catch {
      throw RecordingFault(error.sentence)
    }
  }

  /// Says of what others write what it is.
  private static func refuseForeign(_ bytes: [UInt8]) throws(RecordingFault) {
    if bytes.isEmpty { throw RecordingFault("is empty") }
    if bytes.starts(with: Array("PK".utf8)) {
      throw RecordingFault(
        "is a ZIP file, such as torch.save writes; write a snapshot with "
          + "torch.cuda.memory._dump_snapshot(\"snapshot.pickle\")")
    }
    let isJSON = bytes.first { ![0x20, 0x0a, 0x0d, 0x09].contains($0) } == UInt8(ascii: "{")
    guard isJSON || Gzip.isOne(bytes) else {
      throw RecordingFault(
        "is neither a recording nor a snapshot; the one is written by ballast-probe record, the "
          + "other by torch.cuda.memory._dump_snapshot")
    }
  }
}
