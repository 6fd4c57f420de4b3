import Measurement
import Reporting
import Retention
import Spelling
import Tensors
import Transformer

extension Plan {
  /// What to take, and why, in a sentence or two.
  package var recommendation: String {
    switch request.question {
    case .cost(let nC, let memory): costRecommendation(nC, memory)
    case .longestPrefix(let memories):
      lengthRecommendation(memories.last ?? 0, rows.suffix(rows.count / max(memories.count, 1)))
    }
  }

  private func costRecommendation(_ nC: Int, _ memory: Int?) -> String {
    guard let best = rows.first(where: \.isRecommended) else {
      guard let memory else { return "No combination with exact gradients is among these." }
      let least = rows.min { $0.total < $1.total }
      return "Nothing fits \(Units.bytes(memory)): the least that any of these takes is "
        + "\(Units.bytes(Int(clamping: least?.total ?? 0)))." + mostCompletions
    }
    let total = Int(clamping: best.total)
    var text =
      "Least memory with exact gradients: \(name(best)), \(Units.bytes(total)) of all that is "
      + "counted\(memory.map { ", within \(Units.bytes($0))" } ?? ""), for \(work(best))."
    if let cheap = withoutExtraWork(rows), cheap.total > best.total {
      text += " Without extra work: \(name(cheap)), \(Units.bytes(Int(clamping: cheap.total)))."
    }
    if let usual = rows.first(where: \.isDefault), usual.total > best.total {
      text += " \(name(usual)) takes \(Units.bytes(Int(clamping: usual.total)))."
    }
    return text + mostCompletions
      + biased(rows) { row in
        row.total < best.total ? "takes \(Units.bytes(Int(clamping: row.total)))" : nil
      }
  }

  /// How many completions of the prefix fit, and how; nothing where it was not asked for.
  private var mostCompletions: String {
    guard request.asksForSuffixes else { return "" }
    guard let exact = withMostCompletions, let count = exact.mostSuffixes else {
      return " Not even one completion fits with exact gradients."
    }
    return " Most completions with exact gradients: \(Units.grouped(count)) by \(name(exact)), for "
      + "\(work(exact))."
  }

  /// Of the combinations with exact gradients that have room for the most completions the one with
  /// the least work, and of those the one with the least memory.
  ///
  /// Nil where none has room for one, or that was not asked for.
  var withMostCompletions: PlanRow? {
    rows.filter { $0.combination.isExact && $0.mostSuffixes ?? 0 > 0 }.max {
      ($0.mostSuffixes ?? 0, $1.relativeWork, $1.total)
        < ($1.mostSuffixes ?? 0, $0.relativeWork, $0.total)
    }
  }

  private func lengthRecommendation(_ memory: Int, _ rows: ArraySlice<PlanRow>) -> String {
    guard let best = rows.first(where: \.isRecommended), let nC = best.nC else {
      return nothingFits(memory, rows)
    }
    var text =
      "Longest with exact gradients: \(Units.grouped(nC)) prefix tokens by \(name(best)), for "
      + "\(work(best))."
    if let cheap = withoutExtraWork(rows), let length = cheap.nC, length < nC {
      text += " Without extra work: \(Units.grouped(length)) by \(name(cheap))."
    }
    if let usual = rows.first(where: \.isDefault), let length = usual.nC, length < nC {
      text += " As full-graph runs by default: \(Units.grouped(length))."
    }
    return text
      + biased(rows) { row in
        row.nC.flatMap { $0 > nC ? "reaches \(Units.grouped($0))" : nil }
      }
  }

  private func nothingFits(_ memory: Int, _ rows: ArraySlice<PlanRow>) -> String {
    if let biased = rows.filter(\.fits).max(by: { ($0.nC ?? 0) < ($1.nC ?? 0) }) {
      return "Only biased gradients are among these: \(name(biased)) reaches "
        + "\(Units.grouped(biased.nC ?? 0)) prefix tokens."
    }
    guard let least = rows.min(by: { $0.total < $1.total }) else { return "" }
    var text =
      "Not even a step without a prefix fits \(Units.bytes(memory)): the least takes "
      + "\(Units.bytes(Int(clamping: least.total)))"
    if request.account.device == .any {
      let parts = request.account.counted(in: least.figures, optimizer: least.optimizer)
        .filter { $0.bytes > 0 }
        .map { "\(Units.bytes($0.bytes)) of \($0.part.noun)" }
      text += ", " + Words.list(parts)
    }
    return text + "."
  }

  /// The best of the rows with exact gradients that do no more work than `full-graph`.
  private func withoutExtraWork(_ rows: some Sequence<PlanRow>) -> PlanRow? {
    let usual = rows.first(where: \.isDefault)?.relativeWork ?? 1
    return rows.filter { $0.isBest && $0.combination.isExact && $0.relativeWork <= usual }
      .max { ($0.nC ?? 0, $1.total) < ($1.nC ?? 0, $0.total) }
  }

  /// What the best biased combination would do beyond the recommended one.
  private func biased(
    _ rows: some Sequence<PlanRow>, _ gain: (PlanRow) -> String?
  ) -> String {
    let rows = rows.filter { $0.isBest && !$0.combination.isExact }
    guard let row = rows.max(by: { ($0.nC ?? 0, $1.total) < ($1.nC ?? 0, $0.total) }),
      let gain = gain(row)
    else { return "" }
    return " \(name(row)) \(gain), but its gradients are biased: `ballast measure` on a "
      + "few layers says how much."
  }

  /// Whether nothing that was asked for fits the memory, or the largest of several.
  package var isTooLarge: Bool {
    switch request.question {
    case .cost(_, let memory): memory != nil && !rows.contains(where: \.fits)
    case .longestPrefix: !rows.contains(where: \.fits)
    }
  }

  /// What else the reader must know.
  package var notes: [String] {
    var notes = [inPyTorch, ladder?.sentence].compactMap(\.self)
    if case .longestPrefix(let memories) = request.question, !further.isEmpty {
      let ways = further.prefix(3).map { "\(Units.grouped($0.nC)) tokens with \($0.options)" }
      let last = rows.suffix(rows.count / max(memories.count, 1))
      let what = last.contains { $0.isRecommended } ? "Further in the same way" : "What would fit"
      notes.append("\(what): \(Words.list(ways)).")
    }
    if let other { notes.append(sentence(of: other)) }
    let point = request.point.point
    if let context = point.model.contextLength, mostTokens == nil,
      let longest = rows.filter(\.isRecommended).compactMap(\.nC).max(),
      longest + point.nG > context
    {
      notes.append("That is beyond the model's own context of \(Units.grouped(context)) tokens.")
    }
    if case .longestPrefix = request.question, let mostTokens,
      rows.contains(where: { $0.nC == mostTokens })
    {
      notes.append("The model has learned positions for no more.")
    }
    if case .longestPrefix = request.question, mostTokens == nil,
      rows.contains(where: { $0.isBest && $0.isAtEnd })
    {
      notes.append(
        "Some lengths end before the memory does: no prefix here is longer than "
          + "\(Units.grouped(LongestPrefix.most)) tokens, and no step's bytes may pass 64 bits.")
    }
    if !request.account.isRun {
      notes.append(
        "These are one device's shares, computed and not run; what devices gather for a moment, "
          + "such as a layer's parameters, is not counted.")
    }
    return notes
  }

  /// The answer with the other AdamW.
  private func sentence(of other: OtherState) -> String {
    let parts = other.optimizer.state(other.row.figures.trained)
    let state = "--optimizer \(other.optimizer.rawValue) (\(parts))"
    switch request.question {
    case .longestPrefix(let memories):
      guard let nC = other.nC else {
        return "With \(state), not even a step without a prefix fits by \(name(other.row))."
      }
      return "With \(state), the longest by \(name(other.row)) is \(Units.grouped(nC))"
        + (memories.count > 1 ? " within \(Units.short(memories.last ?? 0))." : ".")
    case .cost(_, let memory):
      let total = Units.bytes(Int(clamping: other.total))
      let fits = memory.map { other.total <= Int128($0) ? ", which fits" : ", which does not fit" }
      return "With \(state), \(name(other.row)) takes \(total)\(fits ?? "")."
    }
  }

  /// A combination as its words, without those of axes that were given.
  private func name(_ row: PlanRow) -> String {
    let axes = Combination.axes.filter {
      request.point.settings[$0.name] == nil || $0.name == "mode"
    }
    return axes.map { axis in
      let text = axis.value(row.combination.point).text
      return axis.name == "recompute"
        ? (text == "none" ? "no recomputation" : "recompute \(text)")
        : axis.name == "head" ? "head \(text)" : text
    }.joined(separator: ", ")
  }

  private func work(_ row: PlanRow) -> String {
    let suffixes = row.combination.point.suffixes
    let reference =
      row.combination.point.sharing == .none
      ? "" : suffixes == 1 ? " with nothing shared" : " over \(suffixes) whole sequences"
    return "\(Units.ratio(row.relativeWork)) times the matrix work of full-graph\(reference)"
  }
}

extension MemoryAccount.Part {
  /// What it is, in a sentence.
  var noun: String { self == .optimizer ? "optimizer state" : rawValue }
}

extension MemoryAccount {
  /// Whether a step as it is counted can run on one device.
  package var isRun: Bool { sharding.devices == 1 && tensorParallelism.devices == 1 }

  /// Which devices share the step.
  var devices: String {
    let tensors = tensorParallelism
    let layers =
      tensors.devices == 1
      ? nil
      : "\(tensors.devices) in each layer"
        + (tensors.dividesSequence ? ", tokens divided too" : "")
    let parameters =
      sharding.devices == 1
      ? nil : "\(sharding.devices) share parameters (stage \(sharding.stage))"
    return [layers, parameters].compactMap(\.self).joined(separator: "; ") + "; one of them:"
  }

  /// How a part is divided, as the end of a line.
  func share(of part: Part) -> String {
    let least: ParameterSharding.Part? =
      switch part {
      case .parameters: .parameters
      case .gradients: .gradients
      case .optimizer: .optimizer
      case .activations, .workspace: nil
      }
    guard sharding.devices > 1, let least, sharding.stage >= least.rawValue else { return "" }
    return ", a share of \(sharding.devices)"
  }
}

extension Optimizer {
  /// Its name, and what its state is made of.
  func composition(_ trained: TrainedParameters) -> String {
    self == .none ? rawValue : "\(rawValue): \(state(trained))"
  }

  /// What the state is made of.
  func state(_ trained: TrainedParameters) -> String {
    let dtypes = trained.dtypes
    return switch self {
    case .none: "nothing"
    case .sgd: "without momentum, so nothing"
    case .adamw:
      "two moments in " + dtypes.map(\.rawValue).joined(separator: " and ")
    case .adamwFP32:
      "two float32 moments" + (dtypes == [.float32] ? "" : " and a float32 copy")
    }
  }
}
