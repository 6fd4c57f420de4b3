import Foundation
import Ledger
import Measurement
import Patterns
import Reporting
import Retention
import Spelling
import Tensors
import Transformer
import Values

extension Plan {
  /// Whether rows are counted as PyTorch's own step holds them on a GPU.
  package var isPyTorchs: Bool {
    rows.allSatisfy {
      request.account.pytorch(in: $0.figures, optimizer: $0.optimizer) != nil
    }
  }

  /// The plan as a person reads it: what is planned, what is counted, the combinations, an answer.
  ///
  /// Combinations that others beat are listed only if `listsAll`.
  package func text(listsAll: Bool) -> String {
    guard let first = rows.first else { return "" }
    var head = TextTable([("", .left), ("", .left)])
    for (name, value) in heading(first) { head.add([name, value]) }
    let listed = table(listsAll: listsAll)
    let body = listed.isEmpty ? "" : "\n" + listed
    return head.text + body + "\n" + (ladder.map(text) ?? "")
      + ([recommendation] + notes).map { Self.wrapped($0) + "\n" }.joined()
  }

  /// What PyTorch's graph keeps beyond a leaner one.
  private func text(of ladder: WasteLadder) -> String {
    var isSearch = false
    if case .longestPrefix = request.question { isSearch = true }
    return "What PyTorch's graph keeps at n_c \(Units.grouped(ladder.nC)), and what a leaner one "
      + "does without:\n\n\(ladder.text(isSearch: isSearch))\n"
  }

  // MARK: What is planned and counted

  private func heading(_ first: PlanRow) -> [(String, String)] {
    let point = first.combination.point
    let model = point.model
    var lines = [
      (
        "model",
        "\(printable(point.modelName.unicodeScalars)), \(model.layers) layers, "
          + "\(point.dtype.rawValue)"
          + (point.trainable.map { ", trained: \(printable($0.written.unicodeScalars))" } ?? "")
          + (point.lora.map { ", lora \(printable($0.written.unicodeScalars))" } ?? "")
          + (point.adapter.isEmpty ? "" : ", adapter \(printable(point.adapter.unicodeScalars))")
      ),
      ("tokens", tokens(point)),
    ]
    let account = request.account
    if !account.isRun { lines.append(("devices", account.devices)) }
    if account.device == .thisMachine {
      lines.append(
        (
          "counted",
          "all parts, in the allocator's blocks, as measure does on this processor"
        )
      )
      return lines
    }
    let counted = account.counted(in: first.figures, optimizer: first.optimizer)
    for (index, (part, bytes)) in counted.enumerated() {
      lines.append((index == 0 ? "counted" : "", words(for: part, bytes, first)))
    }
    let others = MemoryAccount.Part.allCases.filter { !account.parts.contains($0) }
    if !others.isEmpty {
      lines.append(
        ("not counted", others.map(\.rawValue).joined(separator: ", ") + "; see --count"))
    }
    return lines
  }

  private func tokens(_ point: Point) -> String {
    var text = ""
    if case .cost(let nC, _) = request.question { text = "n_c \(Units.grouped(nC)), " }
    // The longest prefix and completion, and all of them.
    if let lengths = point.lengths { text = "lengths \(lengths.written); \(text)" }
    text += "n_g \(Units.grouped(point.nG)), batch \(point.batch)"
    if point.suffixes > 1 || point.sharing != .none {
      text += ", suffixes \(point.suffixes), sharing \(point.sharing.rawValue)"
    }
    if let context = point.model.contextLength {
      text += "; the model's own context is \(Units.grouped(context))"
    }
    return text
  }

  private func words(for part: MemoryAccount.Part, _ bytes: Int, _ row: PlanRow) -> String {
    let size = Units.bytes(bytes)
    let share = request.account.share(of: part)
    let isPyTorch = request.account.pytorch(in: row.figures, optimizer: row.optimizer) != nil
    switch part {
    case .parameters:
      let adapter = row.combination.point.model.adapter?.dtype
      let types = adapter.map { $0 == row.dtype ? "" : ", the adapter \($0.rawValue)" } ?? ""
      return "\(size) of parameters, \(row.dtype.rawValue)\(types)\(share)"
    case .gradients:
      return "\(size) of gradients, \(row.gradientTypes(request.account))\(share)"
        + (isPyTorch ? ", each from when it is made" : "")
    case .optimizer:
      return "\(size) of optimizer state, \(row.optimizer.composition(row.figures.trained))\(share)"
    case .activations:
      if isPyTorch { return "what PyTorch holds besides on a GPU when it holds the most, below" }
      return "the highest moment of activations, below" + optimizerMoment(row)
    case .workspace: return "scratch of this program's kernels"
    }
  }

  /// What the optimizer's step holds for a moment, and by which of PyTorch's ways; nothing of
  /// Ballast's own graph, which has none.
  private func optimizerMoment(_ row: PlanRow) -> String {
    let moment = request.account.moment(of: row.optimizer, row.figures.trained)
    guard let step = request.account.optimizerStep, row.optimizer != .none else { return "" }
    return ", or of the optimizer's step: \(Units.bytes(moment)) by \(step.rawValue)"
  }

  // MARK: The combinations

  /// The rows of the last question that a table shows: all, or the best, and what runs by default.
  func shown(listsAll: Bool) -> [PlanRow] {
    var rows = rows
    if case .longestPrefix(let memories) = request.question {
      rows = Array(rows.suffix(rows.count / max(memories.count, 1)))
    }
    let fullest = withMostCompletions?.combination.words
    return rows.filter { row in
      // Where nothing fits there is nothing else to look at.
      listsAll || row.isBest || row.isDefault || row.combination.words == fullest
        || request.question.isCost && !rows.contains(where: \.isBest)
    }
  }

  private func table(listsAll: Bool) -> String {
    switch request.question {
    case .cost(_, let memory): costs(memory, listsAll)
    case .longestPrefix(let memories): lengths(memories, listsAll)
    }
  }

  private static let axes = Combination.axes.map { ($0.name, TextTable.Alignment.left) }

  private func costs(_ memory: Int?, _ listsAll: Bool) -> String {
    var table = TextTable(
      [("", .left)] + Self.axes + (request.asksForSuffixes ? [] : [("retained", .right)])
        + [("peak", .right), ("work", .right), ("gradient", .left)]
        + [request.asksForSuffixes ? ("completions", .right) : ("", .left)],
      keys: 1 + Self.axes.count)
    for row in shown(listsAll: listsAll).sorted(by: { $0.total < $1.total }) {
      let retained = Units.bytes(row.figures.retained.total)
      let completions = row.mostSuffixes.map { $0 == 0 ? "none" : Units.grouped($0) }
      table.add(
        [mark(row)] + row.combination.words + (request.asksForSuffixes ? [] : [retained]) + [
          Units.bytes(peak(row)), Units.ratio(row.relativeWork),
          row.combination.isExact ? "exact" : "biased",
          completions ?? (row.fits ? "" : "too large"),
        ])
    }
    return table.text
  }

  private func lengths(_ memories: [Int], _ listsAll: Bool) -> String {
    let isOne = memories.count == 1
    var table = TextTable(
      [("", .left)] + Self.axes
        + memories.map { (isOne ? "longest n_c" : Units.short($0), .right) }
        + (isOne ? [("peak", .right), ("work", .right)] : []) + [("gradient", .left)],
      keys: 1 + Self.axes.count)
    let count = rows.count / max(memories.count, 1)
    let lines = (0..<count).map { index in memories.indices.map { rows[$0 * count + index] } }
    let shown = lines.filter { line in
      listsAll || line.contains(where: \.isBest) || line.contains(where: \.isDefault)
    }
    guard listsAll || rows.contains(where: \.fits) else { return "" }
    let ordered = shown.sorted { ($0.last?.nC ?? -1) > ($1.last?.nC ?? -1) }
    for line in ordered {
      guard let last = line.last else { continue }
      table.add(
        [mark(last)] + last.combination.words
          + line.map { $0.nC.map(Units.grouped) ?? "none" }
          + (isOne
            ? [Units.bytes(peak(last)), Units.ratio(last.relativeWork)] : [])
          + [last.combination.isExact ? "exact" : "biased"])
    }
    return table.text
  }

  private func peak(_ row: PlanRow) -> Int {
    request.account.bytes(of: .activations, in: row.figures, optimizer: row.optimizer)
  }

  private func mark(_ row: PlanRow) -> String {
    row.isRecommended ? "▶" : row.isBest ? "•" : ""
  }

  // MARK: Sentences

  /// A sentence in lines of a hundred columns.
  private static func wrapped(_ sentence: String) -> String {
    var lines = [""]
    for word in sentence.split(separator: " ") {
      let line = lines[lines.count - 1]
      if line.count + word.count + 1 > 100 {
        lines.append("  " + word)
      } else {
        lines[lines.count - 1] += (line.isEmpty ? "" : " ") + word
      }
    }
    return lines.joined(separator: "\n")
  }
}
