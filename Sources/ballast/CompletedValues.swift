import ArgumentParser
import Files
import Foundation

/// Values that a shell proposes where ArgumentParser's own lists and files do not do.
extension CompletionKind {
  /// Some words, or a path of files with some extensions.
  static func words(_ words: [String], orFiles extensions: [String]) -> CompletionKind {
    .custom { _, _, start in
      words + CompletedValues.paths(from: start, extensions: extensions)
    }
  }

  /// Some words, separated by commas, each once; where there is one alone also a path.
  static func list(of words: [String], orFiles extensions: [String] = []) -> CompletionKind {
    .custom { _, _, start in
      let paths =
        extensions.isEmpty ? [] : CompletedValues.paths(from: start, extensions: extensions)
      return CompletedValues.lists(of: words, from: start) + paths
    }
  }
}

/// What may follow what was typed.
enum CompletedValues {
  /// The words behind the last comma of what was typed.
  static func lists(of words: [String], from start: String) -> [String] {
    let end = start.lastIndex(of: ",").map { start.index(after: $0) } ?? start.startIndex
    let given = start[..<end].split(separator: ",").map(String.init)
    return words.filter { !given.contains($0) }.map { start[..<end] + $0 }
  }

  /// Folders, and files with some extensions, whose paths go on from what was typed.
  ///
  /// A folder ends with a slash, but for bash, which adds one itself.
  static func paths(from start: String, extensions: [String]) -> [String] {
    let end = start.lastIndex(of: "/").map { start.index(after: $0) } ?? start.startIndex
    let (folder, stem) = (String(start[..<end]), start[end...])
    let place = folder.isEmpty ? "." : folder
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
    return names.sorted().compactMap { name in
      guard name.hasPrefix(stem), !name.hasPrefix(".") || stem.hasPrefix(".") else { return nil }
      if Paths.isDirectory(Paths.join(place, name)) {
        return folder + name + (CompletionShell.requesting == .bash ? "" : "/")
      }
      return extensions.contains { name.hasSuffix(".\($0)") } ? folder + name : nil
    }
  }
}
