/// Finds the word that somebody meant.
package enum Words {
  /// The candidate nearest to `word`, or nil if none is near enough to be meant.
  ///
  /// Hyphens, underscores and case do not count as differences.
  package static func nearest(to word: String, among candidates: [String]) -> String? {
    let wanted = folded(word)
    guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
    let ranked = candidates.map { (word: $0, distance: distance(wanted, folded($0))) }
    // Of two that are as near, the one with which the word begins, such as "mode" of "modes".
    let best = ranked.min {
      ($0.distance, wanted.starts(with: folded($0.word)) ? 0 : 1)
        < ($1.distance, wanted.starts(with: folded($1.word)) ? 0 : 1)
    }
    guard let best else { return nil }
    let isPrefix = wanted.count >= 3 && folded(best.word).starts(with: wanted)
    return best.distance <= max(wanted.count, 3) / 3 + 1 || isPrefix ? best.word : nil
  }

  /// The end of a sentence about an unknown word: the nearest valid one, then all of them.
  package static func advice(for word: String, among candidates: [String]) -> String {
    let all = candidates.joined(separator: ", ")
    guard let nearest = nearest(to: word, among: candidates) else { return "it is one of \(all)" }
    return "did you mean \"\(nearest)\", one of \(all)?"
  }

  private static func folded(_ word: String) -> [Character] {
    Array(word.lowercased().replacing("-", with: "_"))
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

/// A word or number that has no meaning where it stands; prints as one sentence without a place.
package struct ValueError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}
