package import CUDAAllocator
import Ledger
package import PyTorchSteps

/// What a recipe's step makes, as a recording: the same file as the recorder's.
extension Recording {
  /// Where the rows of a step's sequences belong.
  package struct StepLayout: Sendable {
    package let nC: Int
    package let nG: Int
    package let batch: Int

    package init(nC: Int, nG: Int, batch: Int) { (self.nC, self.nG, self.batch) = (nC, nG, batch) }
  }

  /// A recording of a stream.
  ///
  /// - Parameters:
  ///   - stream: The allocations and releases.
  ///   - layout: Which tokens are whose.
  ///   - madeAt: When.
  ///   - versions: Versions by the name of the program.
  ///   - command: What was called.
  ///   - model: The model's name.
  ///   - gpu: The GPU that it runs on; nil for a CPU.
  ///   - point: The step in the words of points.
  ///   - assumptions: What was taken for given, in sentences.
  package init(
    _ stream: StepStream, layout: StepLayout, madeAt: String, by versions: [String: String],
    command: String, model: String, gpu: GPU?, point: [String: String], assumptions: [String]
  ) {
    var columns = Columns()
    for allocation in stream.allocations { columns.add(allocation, layout) }
    self.init(
      made: Made(at: madeAt, by: versions), call: Call(command: command, options: [:]),
      model: Model(name: model, configuration: nil), point: point,
      device: gpu == nil ? .cpu : .cuda, gpu: gpu, ranks: 1, rank: 0, assumptions: assumptions,
      notModelled: [],
      tables: columns.tables, tensors: columns.tensors,
      events: stream.events.map { $0 >= 0 ? .allocate($0) : .release(-$0 - 1) },
      phases: stream.spans.map {
        PhaseStart(phase: Phase($0.phase), step: $0.step, firstEvent: $0.firstEvent)
      },
      boundaries: stream.boundaries)
  }
}

extension Recording.Phase {
  fileprivate init(_ phase: StepPhase) {
    self =
      switch phase {
      case .model: .model
      case .forward: .forward
      case .loss: .loss
      case .backward: .backward
      case .optimizer: .optimizer
      case .zero: .zero
      case .other: .other
      }
  }
}

extension Recording.Role {
  fileprivate init(_ role: StepRole) {
    self =
      switch role {
      case .parameter: .parameter
      case .buffer: .buffer
      case .input: .input
      case .gradient: .gradient
      case .optimizerState: .optimizerState
      case .activation: .activation
      case .backward: .backward
      case .temporary: .temporary
      case .workspace: .workspace
      case .collective: .collective
      case .other: .other
      }
  }
}

/// Distinct values, by the order in which they came.
private struct Table<Value: Hashable> {
  private(set) var values: [Value] = []
  private var places: [Value: Int] = [:]

  init(_ first: Value...) { for value in first { _ = place(value) } }

  mutating func place(_ value: Value) -> Int {
    if let place = places[value] { return place }
    places[value] = values.count
    values.append(value)
    return values.count - 1
  }
}

/// Tables and columns while they grow.
private struct Columns {
  private var ops = Table<String>()
  private var modules = Table("")
  private var nodes = Table("")
  private var dtypes = Table("")
  private var shapes = Table<[Int]>([])
  private var regions = Table<[Int]>()
  private let roles = Recording.Role.allCases
  private var bytes: [Int] = []
  private var cells: [[Int]] = Array(repeating: [], count: 8)
  private var isKept: [Bool] = []

  mutating func add(_ allocation: StepAllocation, _ layout: Recording.StepLayout) {
    let layer = allocation.module.split(separator: ".").lazy.compactMap { Int($0) }.first
    let share = layout.regions(of: allocation)
    let row = [
      ops.place(allocation.op), modules.place(allocation.module), layer ?? -1,
      roles.firstIndex(of: Recording.Role(allocation.role)) ?? 0,
      nodes.place(allocation.node), dtypes.place(allocation.dtype.rawValue),
      shapes.place(allocation.shape), regions.place(share),
    ]
    bytes.append(allocation.bytes)
    for (column, cell) in row.enumerated() { cells[column].append(cell) }
    isKept.append(allocation.isKept)
  }

  var tables: Recording.Tables {
    Recording.Tables(
      ops: ops.values, modules: modules.values, nodes: nodes.values, roles: roles,
      dtypes: dtypes.values, shapes: shapes.values,
      regions: regions.values.map {
        RegionBytes(prefix: $0[0], generated: $0[1], crossing: $0[2], shared: $0[3])
      })
  }

  var tensors: Recording.Tensors {
    Recording.Tensors(
      bytes: bytes, op: cells[0], module: cells[1], layer: cells[2], role: cells[3],
      node: cells[4], dtype: cells[5], shape: cells[6], regions: cells[7], isKept: isKept,
      stream: [])
  }
}

extension Recording.StepLayout {
  private var tokens: Int { nC + nG }

  /// How many rows each position of an axis stands for, if it is as long as rows are.
  private func isOverTokens(_ extent: Int) -> Bool {
    tokens > 1 && (extent == tokens || extent == batch * tokens)
  }

  /// The bytes of an allocation by prefix, generated, crossing and shared, from its extents.
  fileprivate func regions(of allocation: StepAllocation) -> [Int] {
    let total = allocation.bytes
    guard ![.parameter, .buffer, .gradient, .optimizerState, .workspace].contains(allocation.role)
    else { return [0, 0, 0, total] }
    let shape = allocation.shape
    let axes = shape.indices.filter { isOverTokens(shape[$0]) }
    guard !axes.isEmpty, total > 0 else { return [0, 0, 0, total] }
    // Rows against columns are the last two axes; a width as long as a sequence is no second one.
    let isSquare =
      axes.suffix(2) == [shape.count - 2, shape.count - 1]
      && (shape.count > 3 || shape.count == 3 && shape[0] != batch)
    let prefix = total * nC / tokens
    let generated = total - prefix
    guard isSquare else { return [prefix, generated, 0, 0] }
    let crossing = generated * nC / tokens
    return [prefix, generated - crossing, crossing, 0]
  }
}
