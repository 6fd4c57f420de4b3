import Budgets
import Measurement
import Retention
import Spelling
import Tensors
import Transformer
import Values
import Yams

extension ProfileParser {
  /// The budgets of the profile; empty if it has none. No `points` stands for those of result
  /// files, whose axes may have other words than ours.
  ///
  /// - Throws: `ProfileError` for a budget that says nothing, or is about none of the `points`.
  mutating func budgets(for points: [PlannedPoint]?) throws(ProfileError) -> [Budget] {
    guard let entry = entries["budgets"] else { return [] }
    guard case .sequence(let list) = entry.node, !list.isEmpty else {
      throw nodes.error(
        entry.line, "budgets must be a list, such as \"- {figure: retained, within: 0%}\"")
    }
    let cells = points?.map { PointCells($0.point) }
    var budgets: [Budget] = []
    for node in list {
      let line = node.mark?.line ?? entry.line
      guard case .mapping(let mapping) = node else {
        throw nodes.error(line, "a budget is a mapping, such as {figure: retained, within: 0%}")
      }
      budgets.append(try budget(mapping, line: line, for: cells))
    }
    return budgets
  }

  private mutating func budget(
    _ mapping: Node.Mapping, line: Int, for points: [PointCells]?
  ) throws(ProfileError) -> Budget {
    let parts = try nodes.entries(
      of: mapping, known: ProfileKeys.budget, in: "a budget")
    guard let figurePart = parts["figure"] else {
      throw nodes.error(
        line, "the budget has no figure; it is one of \(BudgetFigure.words.joined(separator: ", "))"
      )
    }
    var budget = Budget(
      figure: try nodes.value(figurePart.node, figurePart, as: BudgetFigure.self), line: line)
    if let part = parts["relative_to"] {
      budget.relativeTo = try nodes.value(part.node, part, as: ModeName.self)
      guard budget.figure.isBytes else {
        throw nodes.error(part.line, "gradient_error is a ratio already, without relative_to")
      }
    }
    try setLimits(of: &budget, parts)
    for key in ProfileKeys.axes {
      guard let part = parts[key] else { continue }
      budget.selection.append(try choice(part, hasOurWords: points != nil))
    }
    guard points?.contains(where: { budget.applies(to: $0) }) ?? true else {
      throw nodes.error(line, "the budget is about none of the profile's points")
    }
    return budget
  }

  // MARK: Limits

  private func setLimits(
    of budget: inout Budget, _ parts: [String: ProfileNodes.Entry]
  ) throws(ProfileError) {
    if let part = parts["within"] {
      if let other = parts["at_most"] ?? parts["at_least"] {
        throw nodes.error(
          other.line, "\(other.key) stands beside within, which sets both limits; keep one")
      }
      let width = try limit(part, of: budget, text: "baseline + " + scalar(part))
      guard case .baseline(let percent, let amount) = width else { return }
      budget.upper = width
      budget.lower = .baseline(percent: -percent, amount: -amount)
      return
    }
    budget.upper = try parts["at_most"].map { (part) throws(ProfileError) in
      try limit(part, of: budget, text: scalar(part))
    }
    budget.lower = try parts["at_least"].map { (part) throws(ProfileError) in
      try limit(part, of: budget, text: scalar(part))
    }
    guard budget.upper != nil || budget.lower != nil else {
      throw nodes.error(budget.line, "the budget has no at_most, at_least or within")
    }
    if case .absolute(let upper) = budget.upper, case .absolute(let lower) = budget.lower,
      lower > upper
    {
      throw nodes.error(parts["at_least"]?.line ?? budget.line, "at_least is more than at_most")
    }
  }

  private func scalar(_ part: ProfileNodes.Entry) throws(ProfileError) -> String {
    try nodes.text(part.node, part)
  }

  /// Reads `4KiB`, `0.15`, `baseline`, `baseline + 2%` or `baseline - 64`.
  private func limit(
    _ part: ProfileNodes.Entry, of budget: Budget, text: String
  ) throws(ProfileError) -> BudgetLimit {
    let line = nodes.line(of: part.node, in: part)
    let words = text.split(separator: " ").map(String.init)
    let isBytes = budget.figure.isBytes && budget.relativeTo == nil
    guard words.first == "baseline" else {
      return .absolute(try number(text, part, isBytes: isBytes))
    }
    if words.count == 1 { return .baseline(percent: 0, amount: 0) }
    guard words.count == 3, words[1] == "+" || words[1] == "-" else {
      throw nodes.error(
        line, "\(part.key) \(quoted(text)) is no limit; write it as 4KiB, baseline or baseline + 2%"
      )
    }
    let sign: Double = words[1] == "+" ? 1 : -1
    guard words[2].hasSuffix("%") else {
      return .baseline(percent: 0, amount: sign * (try number(words[2], part, isBytes: isBytes)))
    }
    let percent = try number(String(words[2].dropLast()), part, isBytes: false)
    guard percent <= 1000 else {
      throw nodes.error(line, "\(part.key) must be at most 1000%, not \(words[2])")
    }
    return .baseline(percent: sign * percent, amount: 0)
  }

  /// A number that is not negative: bytes as sizes are written, or a plain decimal.
  private func number(
    _ text: String, _ part: ProfileNodes.Entry, isBytes: Bool
  ) throws(ProfileError) -> Double {
    let line = nodes.line(of: part.node, in: part)
    if isBytes {
      if text == "0" { return 0 }
      guard text.first?.isNumber ?? false else {
        throw nodes.error(
          line,
          "\(part.key) \(quoted(text)) is not a size; write it as 4KiB, 512MiB, 4GB, a number of "
            + "bytes, or baseline + 2%")
      }
      do throws(ValueError) { return Double(try ByteSize(text, for: part.key).bytes) } catch {
        throw nodes.error(line, error.description)
      }
    }
    let isDecimal = text.utf8.allSatisfy { (48...57).contains($0) || ".eE-+".utf8.contains($0) }
    guard isDecimal, let value = Double(text), value.isFinite, value >= 0 else {
      throw nodes.error(line, "\(part.key) must be a number of 0 or more, not \(quoted(text))")
    }
    return value
  }

  // MARK: Points

  /// The values of an axis, read as the axis itself is and written as its column is.
  mutating func choice(
    _ part: ProfileNodes.Entry, hasOurWords: Bool
  ) throws(ProfileError) -> AxisChoice {
    let texts =
      part.key == "model" || !hasOurWords
      ? try nodes.list(part, nodes.text).map(\.value) : try values(of: part).map(\.value.text)
    return AxisChoice(axis: part.key, values: Set(texts))
  }
}
