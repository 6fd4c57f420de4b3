/// Names with what is said of each, in lines of a hundred columns.
struct Sheet {
  private static let width = 100
  private var lines: [(name: String, words: String)] = []

  mutating func add(_ name: String, _ words: String) { lines.append((name, words)) }

  /// One line a piece, the name before the first of them.
  mutating func add(_ name: String, lines pieces: [String]) {
    for (index, piece) in pieces.enumerated() { add(index == 0 ? name : "", piece) }
  }

  var text: String {
    let start = (lines.map(\.name.count).max() ?? 0) + 2
    return lines.map { name, words in
      var line = name + String(repeating: " ", count: start - name.count)
      var text = ""
      var isFirst = true
      for word in words.split(separator: " ", omittingEmptySubsequences: false) {
        if !isFirst, line.count + 1 + word.count > Self.width {
          text += line + "\n"
          line = String(repeating: " ", count: start + 2) + word
        } else {
          line += (isFirst ? "" : " ") + word
        }
        isFirst = false
      }
      return text + line + "\n"
    }.joined()
  }
}
