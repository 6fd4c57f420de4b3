/// Autograd's engine (`torch/csrc/autograd/engine.cpp`): which node runs when, what its inputs are
/// added up from, and when both are let go of.
///
/// ```
///   ready nodes ─▶ the latest of them ─▶ formula ─▶ gradients of its inputs ─▶ next nodes' buffers
///                                        then its own inputs and what it kept are let go of
/// ```
extension Torch {
  /// Runs backward from a loss, whose own gradient is 1.
  package func backward(from loss: TorchTensor) {
    let one = make("ones_like", [], loss.dtype)
    hold(one)
    stream.begin(.backward)
    keepMarks(from: loss)
    stream.markBoundary()
    recording(false) {
      var run = BackwardRun(self)
      run.start(loss, one)
      while run.step() {}
    }
    stream.begin(.other)
    drop(one)
  }

  /// Marks what autograd holds when backward begins.
  private func keepMarks(from loss: TorchTensor) {
    guard let root = loss.edge?.node else { return }
    var seen: Set<ObjectIdentifier> = []
    var queue = [root]
    var frames: Set<ObjectIdentifier> = []
    while let node = queue.popLast() {
      guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
      for case let saved? in node.saved {
        if let number = saved.tensor?.storage.number {
          stream.keep(number, for: "\(node.name).\(saved.name)")
        }
        guard let frame = saved.holder?.frame, frames.insert(ObjectIdentifier(frame)).inserted
        else { continue }
        for number in frame.held.compactMap(\.storage.number) { stream.keep(number, for: "") }
      }
      queue += node.next.compactMap { $0?.node }
    }
  }
}

/// One pass of the engine.
private struct BackwardRun {
  private let torch: Torch
  private var dependencies: [ObjectIdentifier: Int] = [:]
  private var buffers: [ObjectIdentifier: [TorchTensor?]] = [:]
  private var ready: [Node] = []

  init(_ torch: Torch) { self.torch = torch }

  mutating func start(_ loss: TorchTensor, _ gradient: TorchTensor) {
    guard let root = loss.edge else { return }
    var seen: Set<ObjectIdentifier> = []
    var queue = [root.node]
    while let node = queue.popLast() {
      guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
      for case let edge? in node.next {
        dependencies[ObjectIdentifier(edge.node), default: 0] += 1
        queue.append(edge.node)
      }
    }
    torch.hold(gradient)
    buffers[ObjectIdentifier(root.node)] = [gradient]
    ready = [root.node]
  }

  /// Runs the latest node that is ready; false if there is none.
  mutating func step() -> Bool {
    guard let place = ready.indices.max(by: { ready[$0].sequence < ready[$1].sequence }) else {
      return false
    }
    let node = ready.remove(at: place)
    let inputs = buffers.removeValue(forKey: ObjectIdentifier(node)) ?? []
    torch.running = node
    defer { torch.running = nil }
    if let leaf = node.leaf {
      gather(inputs, into: leaf)
      return true
    }
    let outputs = validated(call(node, inputs), by: node)
    for case let input? in inputs { torch.drop(input) }
    torch.release(node)
    for (number, output) in outputs.enumerated() {
      guard let output else { continue }
      guard let edge = node.next[number] else {
        torch.drop(output)
        continue
      }
      add(output, to: edge)
    }
    return true
  }

  /// The gradients that a node's formula makes, each held.
  private func call(_ node: Node, _ inputs: [TorchTensor?]) -> [TorchTensor?] {
    let unpacked = node.saved.map { $0.flatMap { $0.unpack(on: torch) } }
    for case let each? in unpacked { torch.hold(each) }
    let call = BackwardCall(node: node, gradients: inputs, saved: unpacked)
    let outputs = torch.expression({ node.formula(torch, call) }, results: { $0 })
    for case let output? in outputs { torch.hold(output) }
    for case let each? in unpacked.reversed() { torch.drop(each) }
    return outputs
  }

  /// Gives gradients the shape and the type of what they are of (`validate_outputs`).
  private func validated(_ outputs: [TorchTensor?], by node: Node) -> [TorchTensor?] {
    outputs.enumerated().map { number, output in
      guard var output, let edge = node.next[number] else { return output }
      let wanted = edge.node.results[edge.number]
      func replace(_ body: () -> TorchTensor) {
        let new = torch.expression(body)
        torch.hold(new)
        torch.drop(output)
        output = new
      }
      if output.shape != wanted.shape {
        replace { [output] in torch.sum(output, to: wanted.shape) }
      }
      if output.dtype != wanted.dtype {
        replace { [output] in torch.to(output, wanted.dtype) }
      }
      return output
    }
  }

  /// `InputBuffer::add`: the second gradient goes into the first, if nobody else holds that.
  private mutating func add(_ gradient: TorchTensor, to edge: Edge) {
    let key = ObjectIdentifier(edge.node)
    var buffer = buffers[key] ?? Array(repeating: nil, count: edge.node.results.count)
    if let sum = buffer[edge.number] {
      let isAlone = sum.holders == 1 && sum.storage.tensors == 1 && sum.isDense
      if isAlone && sum.shape == gradient.shape && sum.dtype == gradient.dtype {
        torch.drop(gradient)
      } else {
        let new = torch.expression { torch.add(sum, gradient) }
        torch.hold(new)
        torch.drop(sum)
        torch.drop(gradient)
        buffer[edge.number] = new
      }
    } else {
      buffer[edge.number] = gradient
    }
    buffers[key] = buffer
    dependencies[key, default: 1] -= 1
    if dependencies[key] == 0 { ready.append(edge.node) }
  }

  /// `AccumulateGrad`: takes a gradient over if nobody else holds it, else copies it.
  private func gather(_ inputs: [TorchTensor?], into leaf: TorchTensor) {
    guard let first = inputs.first, let gradient = first else { return }
    if leaf.gradient == nil {
      let isLike =
        zip(leaf.shape.indices, leaf.shape).allSatisfy { axis, extent in
          extent == 1 || gradient.strides[axis] == leaf.strides[axis]
        }
      let own =
        gradient.holders <= 1 && gradient.isDense && isLike
        ? torch.alias(gradient, gradient.shape, gradient.strides)
        : torch.expression {
          torch.make("clone", leaf.shape, gradient.dtype, strides: leaf.strides)
        }
      torch.hold(own)
      leaf.gradient = own
      if let number = own.storage.number { torch.stream.set(.gradient, of: number) }
    }
    torch.drop(gradient)
  }
}
