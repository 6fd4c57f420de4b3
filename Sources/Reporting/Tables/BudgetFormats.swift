import Spelling

/// Judgements as programs read them.
package enum BudgetFormats {
  /// JUnit's XML: a test case for each budget and point.
  package static func junit(_ judgements: [Judgement]) -> String {
    func count(_ matches: (Judgement.Verdict) -> Bool) -> Int {
      judgements.filter { matches($0.verdict) }.count
    }
    let suite = judgements.first?.profile ?? ""
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    text +=
      "<testsuite name=\(attribute(suite)) tests=\"\(judgements.count)\" "
      + "failures=\"\(count(\.isExceeded))\" errors=\"\(count { $0 == .failed })\" "
      + "skipped=\"\(count { $0 == .notJudged })\">\n"
    for judgement in judgements {
      let name = "\(judgement.title) \(judgement.limitText): \(judgement.point)"
      text +=
        "  <testcase classname=\(attribute(suite)) name=\(attribute(name)) "
        + "file=\(attribute(judgement.file)) line=\"\(judgement.line)\""
      let sentence = attribute(judgement.sentence)
      switch judgement.verdict {
      case .ok: text += "/>\n"
      case .notJudged: text += "><skipped message=\(sentence)/></testcase>\n"
      case .over, .under, .failed:
        let element = judgement.verdict == .failed ? "error" : "failure"
        text +=
          "><\(element) message=\(sentence)>"
          + xml(BudgetTable.explanation(of: judgement)) + "</\(element)></testcase>\n"
      }
    }
    return text + "</testsuite>\n"
  }

  /// `[{"name", "unit", "value"}]`: every figure once, for benchmark dashboards.
  package static func json(_ judgements: [Judgement]) -> String {
    var seen: Set<String> = []
    let objects = judgements.compactMap { judgement -> JSONText? in
      let name = "\(judgement.profile): \(judgement.title), \(judgement.point)"
      guard let figure = judgement.figure, figure.isFinite, seen.insert(name).inserted else {
        return nil
      }
      let value = Int(exactly: figure).map { JSONText.integer($0) } ?? .real(figure)
      return .object(
        [("name", .string(name)), ("unit", .string(judgement.unit)), ("value", value)], .spaced)
    }
    return JSONText.array(objects, .lines(2)).text + "\n"
  }

  /// GitHub's workflow commands, at the budgets' lines: an error for each budget that is exceeded,
  /// a warning for each with points that were not judged.
  package static func github(_ judgements: [Judgement]) -> String {
    BudgetTable.groups(of: judgements).map { worst, all in
      let skipped = all.filter { $0.verdict == .notJudged }
      let bad = all.filter { $0.verdict != .ok }.count - skipped.count
      func points(_ count: Int) -> String { count > 1 ? " (\(count) of \(all.count) points)" : "" }
      var text = ""
      if bad > 0 {
        text += annotation("error", at: worst, title: "budget \(worst.title)\(points(bad))")
      }
      if let first = skipped.first {
        let title = "budget \(first.title) not judged\(points(skipped.count))"
        text += annotation("warning", at: first, title: title)
      }
      return text
    }.joined()
  }

  private static func annotation(
    _ kind: String, at judgement: Judgement, title: String
  ) -> String {
    let lines = [judgement.sentence] + judgement.tensors.map(\.sentence)
    return "::\(kind) file=\(property(judgement.file)),line=\(judgement.line),"
      + "title=\(property(title))::\(data(lines.joined(separator: "\n")))\n"
  }

  // MARK: Escapes

  /// What XML 1.0 cannot write at all becomes U+FFFD.
  private static func xml(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF:
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func attribute(_ text: String) -> String {
    "\"\(xml(text).replacing("\n", with: "&#10;").replacing("\t", with: "&#9;"))\""
  }

  private static func data(_ text: String) -> String {
    text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
  }

  private static func property(_ text: String) -> String {
    data(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
  }
}
