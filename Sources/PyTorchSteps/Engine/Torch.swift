/// PyTorch's state while a step runs: the stream, autograd's mode, the modules that run.
///
/// Nothing is computed: tensors are shapes, and every op says what it makes, what autograd keeps
/// and what its backward makes.
package final class Torch {
  package var stream = StepStream()
  let device: StepDevice
  /// Whether ops are entered into autograd's graph.
  private(set) var isRecording = true
  /// Whether operands that nobody holds die after an op, as on Python's stack. In C++ they live to
  /// the end of an expression.
  private var isPython = true
  private var sequence = 0
  private var modules: [String] = []
  /// The tensors of each C++ expression that runs, innermost last.
  private var expressions: [[TorchTensor]] = []
  /// The node whose formula runs.
  var running: Node?
  /// The checkpoints whose tensors are saved, innermost last.
  var checkpoints: [CheckpointMode] = []
  /// Whether a checkpoint has made again all that it must: what follows does nothing.
  var isStopped = false
  /// What frames held that have been left since.
  var stopped: [TorchTensor] = []

  /// What the graph holds as leaves, parameters aside.
  private var leaves: [TorchTensor] = []

  /// The threads that have multiplied: forward's, and backward's (true).
  private var multiplied: Set<Bool> = []
  private let isDetailed: Bool

  package init(_ device: StepDevice = .cpu, isDetailed: Bool = true) {
    (self.device, self.isDetailed) = (device, isDetailed)
  }

  // MARK: Tensors

  var module: String {
    guard isDetailed else { return "" }
    if modules.isEmpty, let running { return running.module }
    return modules.joined(separator: ".")
  }

  /// A new tensor in memory of its own.
  func make(
    _ op: String, _ shape: [Int], _ dtype: ElementType, strides: [Int]? = nil,
    role: StepRole? = nil
  ) -> TorchTensor {
    let strides = strides ?? Strides.contiguous(shape)
    let storage: TorchStorage
    let bytes = shape.reduce(1, *) * dtype.size
    if isStopped || bytes == 0 {
      storage = TorchStorage(number: nil)
    } else {
      let byPhase: StepRole =
        switch stream.phase {
        case .forward, .loss: .activation
        case .backward: .backward
        default: .other
        }
      storage = TorchStorage(
        number: stream.allocate(
          StepAllocation(
            bytes: bytes, op: "aten::\(op)", module: module, node: running?.name ?? "",
            dtype: dtype, shape: shape, role: role ?? byPhase)))
    }
    return enter(
      TorchTensor(storage, shape: shape, strides: strides, dtype: dtype, base: nil))
  }

  /// The result of a matrix product.
  func product(_ op: String, _ shape: [Int], _ dtype: ElementType) -> TorchTensor {
    let y = make(op, shape, dtype)
    takeWorkspace(op)
    return y
  }

  /// Those of both threads, as after a step.
  func takeWorkspaces() {
    for isBackward in [false, true] { takeWorkspace("mm", isBackward) }
  }

  /// cuBLAS's workspace, behind the first product of a thread.
  func takeWorkspace(_ op: String) { takeWorkspace(op, running != nil) }

  private func takeWorkspace(_ op: String, _ isBackward: Bool) {
    let bytes = device.workspace
    guard bytes > 0, !isStopped, multiplied.insert(isBackward).inserted else { return }
    _ = stream.allocate(
      StepAllocation(
        bytes: bytes, op: "aten::\(op)", module: module, node: running?.name ?? "", dtype: .bool,
        shape: [bytes], role: .workspace))
  }

  /// A view of a tensor.
  func alias(_ x: TorchTensor, _ shape: [Int], _ strides: [Int]) -> TorchTensor {
    let base = x.base ?? x
    base.holders += 1
    return enter(
      TorchTensor(x.storage, shape: shape, strides: strides, dtype: x.dtype, base: base))
  }

  private func enter(_ x: TorchTensor) -> TorchTensor {
    x.storage.tensors += 1
    if !expressions.isEmpty { expressions[expressions.count - 1].append(x) }
    return x
  }

  func hold(_ x: TorchTensor) { x.holders += 1 }

  func drop(_ x: TorchTensor) {
    x.holders -= 1
    if x.holders == 0 { free(x) }
  }

  /// Gives a tensor out of a container: it may have no holder for now.
  func hand(_ x: TorchTensor) -> TorchTensor {
    x.holders -= 1
    return x
  }

  /// Ends a result that nobody takes.
  func discard(_ x: TorchTensor) {
    if x.holders == 0 { free(x) }
  }

  private func free(_ x: TorchTensor) {
    guard x.isAlive else { return }
    x.isAlive = false
    if let gradient = x.gradient { drop(gradient) }
    x.storage.tensors -= 1
    if x.storage.tensors == 0, let number = x.storage.number { stream.release(number) }
    if let base = x.base { drop(base) }
  }

  /// Ends what an op was given from Python's stack.
  func consume(_ operands: TorchTensor?...) { consume(operands) }

  func consume(_ operands: [TorchTensor?]) {
    guard isPython else { return }
    for case let operand? in operands where operand.holders == 0 { free(operand) }
  }

  // MARK: Scopes

  /// A C++ function: what it makes and does not return dies at its end, the last first.
  func expression<R>(_ body: () -> R, results: (R) -> [TorchTensor?]) -> R {
    let outer = isPython
    isPython = false
    expressions.append([])
    let result = body()
    let made = expressions.removeLast()
    let returned = results(result).compactMap(\.self)
    for each in made.reversed() where each.holders == 0 {
      if returned.contains(where: { $0 === each }) { continue }
      free(each)
    }
    isPython = outer
    if !expressions.isEmpty {
      expressions[expressions.count - 1] += made.filter { $0.isAlive }
    }
    return result
  }

  func expression(_ body: () -> TorchTensor) -> TorchTensor {
    expression(body, results: { [$0] })
  }

  /// A C++ function that Python calls, and that takes its operands from Python's stack.
  func composite(_ operands: TorchTensor?..., body: () -> TorchTensor) -> TorchTensor {
    let result = expression(body)
    if result.holders == 0, operands.contains(where: { $0 === result }) { return result }
    consume(operands)
    return result
  }

  /// Python code inside C++: of a checkpoint that runs again.
  func python<R>(_ body: () -> R) -> R {
    let (outer, rest) = (isPython, expressions)
    (isPython, expressions) = (true, [])
    defer { (isPython, expressions) = (outer, rest) }
    return body()
  }

  func recording<R>(_ isOn: Bool, _ body: () -> R) -> R {
    let outer = isRecording
    isRecording = isOn
    defer { isRecording = outer }
    return body()
  }

  /// `module(arguments)`: the call holds its arguments until it returns.
  func module(
    _ name: String, _ arguments: TorchTensor?..., body: () -> [TorchTensor]
  ) -> [TorchTensor] {
    let arguments = arguments.compactMap(\.self)
    for each in arguments { hold(each) }
    modules.append(name)
    let results = body()
    modules.removeLast()
    leave(arguments, returning: results)
    return results
  }

  func module(
    _ name: String, _ arguments: TorchTensor?..., body: () -> TorchTensor
  ) -> TorchTensor {
    let arguments = arguments.compactMap(\.self)
    for each in arguments { hold(each) }
    modules.append(name)
    let result = body()
    modules.removeLast()
    leave(arguments, returning: [result])
    return result
  }

  func inModules<R>(_ names: [String], _ body: () -> R) -> R {
    let outer = modules
    modules = names
    defer { modules = outer }
    return body()
  }

  /// Where the modules of a call stand.
  var moduleStack: [String] { modules }

  /// Lets go of what a frame held, in order, but for what it returns.
  func leave(_ held: [TorchTensor], returning results: [TorchTensor]) {
    if isStopped {
      stopped += held
      return
    }
    for each in results { hold(each) }
    for each in held { drop(each) }
    for each in results { each.holders -= 1 }
  }

  // MARK: Autograd

  /// The node of an op, if a gradient of an input is wanted.
  func node(
    _ name: String, _ inputs: [TorchTensor?], _ formula: @escaping Node.Formula
  ) -> Node? {
    guard isRecording, !isStopped, inputs.contains(where: { $0?.requiresGradient ?? false })
    else { return nil }
    sequence += 1
    return Node(
      name, sequence: sequence, module: module, next: inputs.map { $0.flatMap(edge) },
      formula: formula)
  }

  private func edge(_ x: TorchTensor) -> Edge? {
    guard x.requiresGradient else { return nil }
    if let edge = x.edge { return edge }
    let gathering = Node(
      "AccumulateGrad", sequence: .max, module: "", next: [], leaf: x, formula: { _, _ in [] })
    gathering.results = [(x.shape, x.dtype)]
    if !x.isParameter {
      hold(x)
      leaves.append(x)
    }
    x.edge = Edge(node: gathering, number: 0)
    return x.edge
  }

  /// Enters a tensor as a result of a node.
  func attach(_ x: TorchTensor, to node: Node?) {
    guard let node else { return }
    x.requiresGradient = true
    x.edge = Edge(node: node, number: node.results.count)
    node.results.append((x.shape, x.dtype))
  }

  /// Keeps a tensor for a node's backward, if the gradient of one of these inputs is wanted.
  func save(_ x: TorchTensor, as name: String, in node: Node?, for inputs: [Int]) {
    guard let node, !isStopped else { return }
    guard inputs.contains(where: { node.next[$0] != nil }) else {
      node.saved.append(nil)
      return
    }
    if let mode = checkpoints.last {
      node.saved.append(SavedTensor(name, nil, holder: mode.pack(x, on: self)))
      return
    }
    // What is kept is the storage, under another tensor's name.
    let kept = TorchTensor(
      x.storage, shape: x.shape, strides: x.strides, dtype: x.dtype, base: nil)
    kept.storage.tensors += 1
    kept.holders = 1
    kept.storage.savers += 1
    node.saved.append(SavedTensor(name, kept, holder: nil))
  }

  /// Ends the graph, as the death of a loss does.
  func endGraph() {
    for leaf in leaves { drop(leaf) }
    leaves = []
  }

  /// Lets go of what a node has kept.
  func release(_ node: Node) {
    for case let saved? in node.saved {
      if let tensor = saved.tensor {
        tensor.storage.savers -= 1
        drop(tensor)
      }
      saved.holder?.frame.forget(on: self)
    }
    node.saved = []
  }
}
