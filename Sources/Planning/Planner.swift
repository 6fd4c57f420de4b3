import Dispatch
package import Measurement
package import PyTorchSteps
import Reporting
import Retention
import Synchronization
import Tensors
import Transformer

/// The rows of a plan, and what its question was about.
package struct Plan: Sendable {
  package let request: PlanRequest
  /// Every combination, memory by memory.
  package let rows: [PlanRow]
  /// What would let the prefix of the recommended combination be longer, or any exact one fit if
  /// none does, each with the longest it then is; best first.
  package let further: [Further]
  /// What the answer would be with the other AdamW's state; nil where that is as large.
  package let other: OtherState?
  /// The model's tokens at most; nil where nothing bounds them.
  package let mostTokens: Int?
  /// From PyTorch's graph to the leanest; nil for Ballast's own.
  package let ladder: WasteLadder?

  /// The same combination with the state of another optimizer.
  package struct OtherState: Sendable {
    let row: PlanRow
    let optimizer: Optimizer
    /// What is counted with the given prefix, or without one where none fits.
    let total: Int128
    /// The longest prefix, where that is asked for and one fits.
    let nC: Int?
  }

  /// A change of the request, as it is typed, and the longest exact prefix with it.
  package struct Further: Sendable {
    package let options: String
    package let nC: Int
  }
}

/// Why there is no plan, as one sentence that says what to change.
package struct PlanError: Error, CustomStringConvertible {
  package let description: String
  /// Whether nothing fits the memory, rather than that something cannot be computed.
  package let isTooLarge: Bool

  init(isTooLarge: Bool = false, _ description: String) {
    (self.description, self.isTooLarge) = (description, isTooLarge)
  }
}

/// Answers what combinations of a step take, and how long a prefix they let one have, from shapes
/// alone.
package struct Planner: Sendable {
  private let engine: Engine
  private let threads: Int
  let steps: StepCounts
  /// What takes a plan's time.
  package enum Stage: String, Sendable {
    case combinations, laws
  }

  /// Called when some of so many combinations of a stage are done.
  package typealias Progress = @Sendable (_ stage: Stage, _ done: Int, _ of: Int) -> Void

  private let progress: Progress?

  /// - Parameters:
  ///   - engine: What counts.
  ///   - threads: How many combinations are counted at a time.
  ///   - gpu: Where PyTorch's own steps run.
  ///   - progress: Hears what is done.
  package init(
    engine: Engine, threads: Int, pytorchOn gpu: StepDevice = .cuda(prefersCuDNN: false),
    progress: Progress? = nil
  ) {
    steps = StepCounts(on: gpu)
    (self.engine, self.threads, self.progress) = (engine, threads, progress)
  }

  /// The plan of a request.
  ///
  /// - Throws: `PointError` for a request that no combination can answer.
  package func plan(_ request: PlanRequest) throws -> Plan {
    let combinations = try Combination.all(of: request.point)
    guard let first = combinations.first else {
      preconditionFailure("no combination, and none refused")
    }
    try request.account.tensorParallelism.requireFit(first.point.model)
    let share = request.account.tensorParallelism.share(of: first.point.model)
    try requireEffect(of: request, on: combinations)
    try requireRoom(request, first, share)
    let mostTokens = Self.mostPrefixTokens(of: first.point)
    var rows: [PlanRow]
    var further: [Plan.Further] = []
    switch request.question {
    case .cost(let nC, let memory):
      rows = try each(of: combinations, share: share) { combination, predictor in
        var row = try row(combination, nC: nC, memory: memory, request.account, predictor)
        if request.asksForSuffixes, let memory {
          row.mostSuffixes = try mostSuffixes(
            of: combination.point(nC: nC), request.account, predictor, within: memory)
        }
        return row
      }
      PlanRow.mark(&rows, isSearch: false)
    case .longestPrefix(let memories):
      rows = []
      for memory in memories {
        var found = try each(of: combinations, share: share) { combination, predictor in
          let nC = try search(combination, request.account, predictor).find(within: memory)
          return try row(combination, nC: nC, memory: memory, request.account, predictor)
        }
        PlanRow.mark(&found, isSearch: true)
        rows += found
      }
      if let memory = memories.last {
        let recommended = rows.last { $0.isRecommended && $0.memory == memory }
        further = try self.further(request, recommended?.combination, within: memory)
          .filter { $0.nC > recommended?.nC ?? -1 }
      }
    }
    return Plan(
      request: request, rows: rows, further: further,
      other: try other(request, rows, share), mostTokens: mostTokens,
      ladder: try wasteLadder(of: request, rows: rows))
  }

  /// Refuses values that no combination heeds.
  private func requireEffect(
    of request: PlanRequest, on combinations: [Combination]
  ) throws(PointError) {
    let points = combinations.map(\.point)
    try request.point.settings.requireEffect(onAny: points)
    guard case .cost = request.question else { return }
    for point in points { try point.requireKeptPrefix() }
  }

  /// Refuses a step that trains nothing, and memories that do not even hold the parameters.
  private func requireRoom(
    _ request: PlanRequest, _ combination: Combination, _ share: CountedMemory.Share?
  ) throws {
    let step = try Predictor(engine: engine, share: share)
      .step(of: combination.point(nC: combination.point.nC))
    try step.requireTrained()
    guard case .longestPrefix(let memories) = request.question, let least = memories.max(),
      request.account.device == .any, request.account.parts.contains(.parameters)
    else { return }
    let parameters = request.account.sharding.share(of: step.model.parameterBytes, .parameters)
    guard least < parameters else { return }
    throw PlanError(
      isTooLarge: true,
      "memory \(Units.short(least)) is less than the parameters take, \(Units.bytes(parameters)); "
        + "give more, share them with --shard-parameters, or plan for fewer --layers")
  }

  /// The longest prefix of which a model has positions, or that a point may have.
  static func mostPrefixTokens(of point: Point) -> Int? {
    guard case .learned(let positions) = point.model.positions else { return nil }
    return positions - point.nG
  }

  // MARK: Rows

  /// A combination with a prefix, or without one where none fits.
  private func row(
    _ combination: Combination, nC: Int?, memory: Int?, _ account: MemoryAccount,
    _ predictor: Predictor
  ) throws -> PlanRow {
    let point = combination.point(nC: nC ?? 0)
    var step = try steps.totals(of: point, by: predictor)
    step.optimizerBytes = point.optimizer.stateBytes(of: step.trained)
    let reference = try steps.totals(of: Combination.reference(of: point), by: predictor)
    return PlanRow(
      combination, memory: memory, nC: nC, step,
      total: account.total(of: step, optimizer: point.optimizer),
      relativeWork: Double(step.matmulFlops) / Double(reference.matmulFlops))
  }

  func search(
    _ combination: Combination, _ account: MemoryAccount, _ predictor: Predictor
  ) -> LongestPrefix {
    let most = LongestPrefix.most
    return LongestPrefix(
      longest: min(most, Self.mostPrefixTokens(of: combination.point) ?? most),
      known: steps.lengths(of: combination.point)
    ) { [steps] nC in
      let point = combination.point(nC: nC)
      // What is too large to be counted does not fit; what cannot be at all was refused before.
      if nC > 0 {
        do { try point.validate() } catch { return nil }
      }
      return account.total(
        of: try steps.totals(of: point, by: predictor), optimizer: point.optimizer)
    }
  }

  /// The most completions of a point's prefix within a memory; 0 if not even one fits.
  private func mostSuffixes(
    of point: Point, _ account: MemoryAccount, _ predictor: Predictor, within memory: Int
  ) throws -> Int {
    let most = PointAxis.named("suffixes").range?.upperBound ?? 1
    // Some at a time: where three rounds fit, all do, but for four bytes of loss each.
    let rounds = point.suffixesAtATime > 0 && point.sharing == .prefix
    let longest = rounds ? min(3 * point.suffixesAtATime, most) : most
    // One completion takes a place of its own: the search goes over those beyond it.
    let search = LongestPrefix(
      longest: longest - 1, firstStep: 8, known: point.suffixes > 1 ? [point.suffixes - 1] : []
    ) { [steps] further in
      var point = point
      point.suffixes = further + 1
      do { try point.validate() } catch { return nil }
      return account.total(
        of: try steps.totals(of: point, by: predictor), optimizer: point.optimizer)
    }
    let found = try search.find(within: memory).map { $0 + 1 } ?? 0
    return found == longest ? most : found
  }

  // MARK: What would let it be longer

  /// The longest prefix under each change of the request that has more room for it: of one
  /// combination, or else of all exact ones.
  private func further(
    _ request: PlanRequest, _ combination: Combination?, within memory: Int
  ) throws -> [Plan.Further] {
    var request = request
    if let combination {
      for axis in Combination.axes {
        request.point.settings[axis.name] = axis.value(combination.point)
      }
    }
    var changes: [(String, PlanRequest)] = []
    func consider(_ options: String, _ change: (inout PlanRequest) -> Void) {
      var changed = request
      change(&changed)
      changes.append((options, changed))
    }
    let point = request.point.point
    let share = request.account.tensorParallelism.share(of: point.model)
    guard request.account.device == .any else { return [] }
    if [.adamw, .adamwFP32].contains(point.optimizer) {
      consider("--optimizer sgd") { $0.point.settings["optimizer"] = AxisValue(Optimizer.sgd) }
    }
    let devices = request.account.sharding.devices
    for factor in [2, 8] {
      consider("--shard-parameters \(devices * factor)") {
        $0.account.sharding.devices = devices * factor
      }
    }
    if let combination, case .replayedPrefix(.float32) = combination.point.mode,
      point.dtype != .float32
    {
      consider("--kv-gradients activations") {
        $0.point.settings["kv_gradients"] = AxisValue(KeyValueGradientKind.activations)
      }
    }
    if point.dtype == .float32 {
      consider("--dtype bfloat16") { $0.point.settings["dtype"] = AxisValue(DType.bfloat16) }
    }
    return try each(of: changes, share: share) { change, predictor in
      let (options, request) = change
      let combinations = try Combination.all(of: request.point)
        .filter { $0.isExact && (combination != nil || $0.point.attention == .fused) }
      // Most do not come as far as the best so far.
      var longest: Int?
      for combination in combinations.reversed() {
        let search = search(combination, request.account, predictor)
        if let longest, try !search.reaches(longest + 1, within: memory) { continue }
        longest = try search.find(within: memory) ?? longest
      }
      return longest.map { Plan.Further(options: options, nC: $0) }
    }.compactMap(\.self).sorted { $0.nC > $1.nC }
  }

  /// The answer for the recommended combination, or else the smallest, with the other AdamW.
  private func other(
    _ request: PlanRequest, _ rows: [PlanRow], _ share: CountedMemory.Share?
  ) throws -> Plan.OtherState? {
    guard
      let row = rows.last(where: \.isRecommended)
        ?? rows.filter(\.combination.isExact).min(by: { $0.total < $1.total }),
      let optimizer: Optimizer =
        switch row.optimizer {
        case .adamw: .adamwFP32
        case .adamwFP32: .adamw
        case .none, .sgd: nil
        },
      request.account.parts.contains(.optimizer),
      optimizer.stateBytes(of: row.figures.trained)
        != row.optimizer.stateBytes(of: row.figures.trained)
    else { return nil }
    var point = row.combination.point
    point.optimizer = optimizer
    let total = request.account.total(of: row.figures, optimizer: optimizer)
    guard case .longestPrefix(let memories) = request.question, let memory = memories.last else {
      return Plan.OtherState(row: row, optimizer: optimizer, total: total, nC: nil)
    }
    let combination = Combination(point: point)
    return try each(of: [combination], share: share) { combination, predictor in
      let nC = try search(combination, request.account, predictor).find(within: memory)
      return Plan.OtherState(row: row, optimizer: optimizer, total: total, nC: nC)
    }.first
  }

  // MARK: Threads

  /// `body` of every item, in their order, on all threads; a thread has one predictor.
  ///
  /// `share` is what one of several devices holds of a tensor.
  func each<Item: Sendable, Result: Sendable>(
    of items: [Item], share: CountedMemory.Share?, in stage: Stage = .combinations,
    _ body: @Sendable (Item, Predictor) throws -> Result
  ) throws -> [Result] {
    let next = Atomic(0)
    let results = Mutex<[Swift.Result<Result, any Error>?]>(
      Array(repeating: nil, count: items.count))
    DispatchQueue.concurrentPerform(iterations: min(threads, items.count)) { _ in
      let predictor = Predictor(engine: engine, share: share)
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < items.count else { return }
        let result = Swift.Result { try body(items[index], predictor) }
        let done = results.withLock { results in
          results[index] = result
          return results.count { $0 != nil }
        }
        progress?(stage, done, items.count)
      }
    }
    return try results.withLock { $0 }.compactMap { try $0?.get() }
  }
}
