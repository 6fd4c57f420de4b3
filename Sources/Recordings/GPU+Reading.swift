package import CUDAAllocator
import Files
import Spelling
package import Values

extension GPU {
  /// Takes one from JSON; what says where its figures are from may be missing.
  package init(_ members: RecordedMembers) throws(RecordingFault) {
    let capability = try members.text("compute_capability")
    guard capability.isEmpty || Self.isCapability(capability) else {
      throw RecordingFault(
        "\(members.title("compute_capability")) must be two numbers such as \"9.0\", not "
          + quoted(capability))
    }
    self.init(
      name: try members.text("name"),
      title: try members.optional("title") == nil ? members.text("name") : members.text("title"),
      memoryBytes: try members.optional("memory_bytes") == nil
        ? nil : members.integer("memory_bytes", in: 1...1 << 50),
      memorySource: try members.textOrEmpty("memory_source"),
      multiprocessors: try members.integer("multiprocessors", in: 0...1 << 20),
      threadsPerMultiprocessor: try members.integer(
        "threads_per_multiprocessor", in: 0...1 << 20),
      computeCapability: capability,
      contextBytes: try members.integer("context_bytes", in: 0...1 << 50),
      contextSource: try members.textOrEmpty("context_source"),
      cublasWorkspaceBytes: try members.integer("cublas_workspace_bytes", in: 0...1 << 40))
  }

  private static func isCapability(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { (1...3).contains($0.count) && $0.allSatisfy(\.isASCIIDigit) }
  }

  /// The GPU that `--gpu` means: one of the named ones, or one that a JSON file describes.
  ///
  /// - Throws: `ValueError` for a word that is no name and no file's, `FileError` for a file that
  ///   is none of a GPU.
  package static func given(_ text: String) throws -> GPU {
    if let gpu = named(text) { return gpu }
    guard text.hasSuffix(".json") || text.contains("/") else {
      throw ValueError("gpu", WrittenText(text), GPUNameFault())
    }
    do throws(RecordingFault) {
      let members = try RecordedMembers(RecordedFile.json(RecordedFile.bytes(text)))
      if let unknown = members.names.first(where: { !keys.contains($0) }) {
        let advice = Words.advice(for: unknown, among: keys)
        throw RecordingFault("has the unknown key \(quoted(unknown)); \(advice)")
      }
      return try GPU(members)
    } catch {
      throw error.of(text)
    }
  }
}

/// A word that names no GPU.
package struct GPUNameFault: ValueFault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    "\(name.subject) \(quoted(given.text)) is no GPU with a name and no JSON file of one; "
      + Words.advice(for: given.text, among: GPU.names)
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}

extension RecordedMembers {
  fileprivate func textOrEmpty(_ name: String) throws(RecordingFault) -> String {
    optional(name) == nil ? "" : try text(name)
  }
}
