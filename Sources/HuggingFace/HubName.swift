/// A model's name on the Hugging Face Hub, such as `Qwen/Qwen3-8B`, perhaps with a revision behind
/// an `@`: a branch, a tag or a commit.
package struct HubName: Equatable, Sendable {
  /// The owner and the name.
  package let name: String
  package let revision: String?

  /// Reads a text; nil for one that cannot be such a name.
  ///
  /// No part of it starts with a point, so that none leads out of a folder.
  package init?(_ text: String) {
    let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !halves[0].hasSuffix(".json"),
      parts.allSatisfy({ Self.isPart($0) && $0.contains { $0.isLetter } })
    else { return nil }
    name = String(halves[0])
    guard halves.count == 2 else {
      revision = nil
      return
    }
    let words = halves[1].split(separator: "/", omittingEmptySubsequences: false)
    guard words.allSatisfy(Self.isPart) else { return nil }
    revision = String(halves[1])
  }

  /// Whoever published the model.
  package var owner: String { String(name.prefix { $0 != "/" }) }

  /// The name without its owner.
  package var model: String { String(name.dropFirst(owner.count + 1)) }

  /// The command that brings the model's configuration, and none of its weights.
  package var download: String {
    "hf download \(name) config.json" + (revision.map { " --revision \($0)" } ?? "")
  }

  private static func isPart(_ text: Substring) -> Bool {
    !text.isEmpty && !text.hasPrefix(".")
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
  }
}
