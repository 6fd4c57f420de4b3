/// Judgements of a profile's budgets, as a person reads them.
package enum BudgetTable {
  /// A row a budget, at its worst point; under the table what is responsible where one is exceeded.
  package static func text(of judgements: [Judgement]) -> String {
    var table = TextTable([
      ("budget", .left), ("points", .right), ("worst point", .left), ("limit", .left),
      ("figure", .right), ("margin", .right), ("verdict", .left),
    ])
    let budgets = groups(of: judgements)
    for (worst, all) in budgets {
      let bad = all.filter { $0.verdict == worst.verdict }.count
      let skipped = worst.verdict == .notJudged ? 0 : all.filter { $0.verdict == .notJudged }.count
      table.add([
        worst.title, String(all.count), worst.point, worst.limitText,
        worst.figure.map(worst.text) ?? "–", worst.margin.map(worst.text) ?? "–",
        worst.verdict.rawValue + (worst.verdict == .ok || all.count == 1 ? "" : " (\(bad))")
          + (skipped == 0 ? "" : ", \(skipped) not judged"),
      ])
    }
    return table.text
      + budgets.map(\.worst).filter { $0.verdict.isExceeded || $0.verdict == .failed }
      .map { "\n" + explanation(of: $0) }.joined()
  }

  /// Each budget's judgements, with the worst of them, in the order of the profile.
  package static func groups(
    of judgements: [Judgement]
  ) -> [(worst: Judgement, all: [Judgement])] {
    var lines: [Int] = []
    var groups: [Int: [Judgement]] = [:]
    for judgement in judgements {
      if groups[judgement.line] == nil { lines.append(judgement.line) }
      groups[judgement.line, default: []].append(judgement)
    }
    return lines.compactMap { line in
      let all = groups[line] ?? []
      // The first of equals.
      let worst = all.reduce(nil as Judgement?) { best, next in
        best.map { $0.severity >= next.severity } ?? false ? best : next
      }
      return worst.map { ($0, all) }
    }
  }

  /// The sentence, and a line for each tensor that is responsible.
  package static func explanation(of judgement: Judgement) -> String {
    var text = "\(judgement.file):\(judgement.line): \(judgement.sentence)\n"
    if !judgement.tensors.isEmpty {
      text +=
        judgement.isDifference
        ? "  against the baseline:\n" : "  the largest tensors:\n"
    }
    for tensor in judgement.tensors { text += "    \(tensor.sentence)\n" }
    return text
  }
}
