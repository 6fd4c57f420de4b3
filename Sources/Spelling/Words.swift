/// Finds the word that somebody meant.
package enum Words {
  /// Names that others give to what our words name, without separators and in lower case.
  ///
  /// One counts where the candidates hold its word, so that each belongs to the right axis.
  private static let aliases: [String: String] = [
    "bf16": "bfloat16", "half": "float16", "fp16": "float16", "f16": "float16",
    "f32": "float32", "fp32": "float32", "float": "float32",
    "single": "float32", "eager": "materialized", "math": "materialized", "flash": "fused",
    "flashattention": "fused", "flashattention2": "fused", "sdpa": "fused",
    "checkpoint": "layer", "checkpointing": "layer", "gradientcheckpointing": "layer",
    "selective": "attention", "meta": "shape", "fake": "shape", "llama3": "llama-3.1-8b",
    "llama31": "llama-3.1-8b", "llama32": "llama-3.2-1b", "gpt3": "gpt3-175b",
  ]

  /// The candidate nearest to `word`, or nil if none is near enough to be meant.
  ///
  /// Hyphens, underscores, points and case do not count as differences. A name that others use
  /// comes first, then what is a few letters away, then what begins with the word.
  package static func nearest(to word: String, among candidates: [String]) -> String? {
    let wanted = folded(word)
    guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
    if let alias = aliases[String(wanted)], candidates.contains(alias) { return alias }
    let ranked = candidates.map { (word: $0, distance: distance(wanted, folded($0))) }
    // Of two that are as near, the one with which the word begins, such as "mode" of "modes".
    let best = ranked.min {
      ($0.distance, wanted.starts(with: folded($0.word)) ? 0 : 1)
        < ($1.distance, wanted.starts(with: folded($1.word)) ? 0 : 1)
    }
    if let best, best.distance <= max(wanted.count, 3) / 3 + 1 { return best.word }
    return wanted.count >= 3 ? candidates.first { folded($0).starts(with: wanted) } : nil
  }

  /// Whether a word is another with a letter or two wrong, or one of a short word.
  package static func isSlip(_ word: String, of other: String) -> Bool {
    let (one, two) = (folded(word), folded(other))
    let least = min(one.count, two.count)
    return least >= 3 && distance(one, two) <= (least < 6 ? 1 : 2)
  }

  /// Whether a word is what others call ours.
  package static func isAlias(_ word: String, of ours: String) -> Bool {
    aliases[String(folded(word))] == ours
  }

  /// Whether two words differ in separators and case alone.
  package static func areAlike(_ one: String, _ other: String) -> Bool {
    folded(one) == folded(other)
  }

  /// The end of a sentence about an unknown word: the nearest valid one, then all of them.
  package static func advice(for word: String, among candidates: [String]) -> String {
    let all = candidates.joined(separator: ", ")
    guard let nearest = nearest(to: word, among: candidates) else { return "it is one of \(all)" }
    return "did you mean \"\(nearest)\", one of \(all)?"
  }

  /// Things one after the other, such as `a, b and c`.
  package static func list(_ things: [String]) -> String {
    guard let last = things.last, things.count > 1 else { return things.first ?? "" }
    return things.dropLast().joined(separator: ", ") + " and " + last
  }

  private static func folded(_ word: String) -> [Character] {
    word.lowercased().filter { !"-_. ".contains($0) }.map(\.self)
  }

  /// Insertions, deletions, replacements and exchanges of neighbours between two words.
  ///
  /// Damerau–Levenshtein in its restricted form, O(m · n).
  private static func distance(_ left: [Character], _ right: [Character]) -> Int {
    var previous: [Int] = []
    var current = Array(0...right.count)
    for i in left.indices {
      var next = Array(repeating: i + 1, count: right.count + 1)
      for j in right.indices {
        let replaced = current[j] + (left[i] == right[j] ? 0 : 1)
        next[j + 1] = min(replaced, current[j + 1] + 1, next[j] + 1)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          next[j + 1] = min(next[j + 1], previous[j - 1] + 1)
        }
      }
      previous = current
      current = next
    }
    return current[right.count]
  }
}
