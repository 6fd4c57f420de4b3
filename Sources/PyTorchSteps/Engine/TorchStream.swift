/// The type of a tensor's elements, by PyTorch's name.
package enum ElementType: String, Sendable {
  case float32, bfloat16, float16, int64, bool

  /// Bytes of an element.
  package var size: Int {
    switch self {
    case .float32: 4
    case .bfloat16, .float16: 2
    case .int64: 8
    case .bool: 1
    }
  }
}

/// A part of a step, under the recorder's name for it.
package enum StepPhase: String, Sendable {
  case model, forward, loss, backward, optimizer, zero, other
}

/// What an allocation is, under the recorder's name for it.
package enum StepRole: String, CaseIterable, Sendable {
  case parameter, buffer, input, gradient
  case optimizerState = "optimizer-state"
  case activation, backward, temporary, workspace, collective, other
}

/// An allocation of a step.
package struct StepAllocation: Sendable {
  /// What the allocator is asked for.
  package let bytes: Int
  /// The op that makes it, such as `aten::mm`.
  package let op: String
  /// The module that runs, or whose backward does; empty for none.
  package let module: String
  /// The autograd node that runs, or that keeps it for backward; empty for none.
  package var node: String
  package let dtype: ElementType
  package let shape: [Int]
  package var role: StepRole
  /// Whether autograd holds it when backward begins.
  package var isKept = false
}

/// The allocations and releases of a training step, in order.
///
/// ```
///   events      0   1   2  -2   3  -1 ...     k: tensor k is allocated, -k-1: it is released
///   phases      model     | forward      | backward ...
/// ```
package struct StepStream: Sendable {
  package struct Span: Sendable {
    package let phase: StepPhase
    package let step: Int
    package let firstEvent: Int
  }

  package private(set) var allocations: [StepAllocation] = []
  package private(set) var events: [Int] = []
  package private(set) var spans = [Span(phase: .model, step: 0, firstEvent: 0)]
  /// The events before which backward begins.
  package private(set) var boundaries: [Int] = []

  /// Begins a phase, unless it runs already.
  mutating func begin(_ phase: StepPhase, step: Int? = nil) {
    let step = step ?? spans.last?.step ?? 0
    if let last = spans.last, last.phase == phase, last.step == step { return }
    if spans.last?.firstEvent == events.count { spans.removeLast() }
    if let last = spans.last, last.phase == phase, last.step == step { return }
    spans.append(Span(phase: phase, step: step, firstEvent: events.count))
  }

  var phase: StepPhase { spans.last?.phase ?? .model }

  mutating func markBoundary() { boundaries.append(events.count) }

  /// Enters an allocation of more than 0 bytes, and returns its number.
  mutating func allocate(_ allocation: StepAllocation) -> Int {
    events.append(allocations.count)
    allocations.append(allocation)
    return allocations.count - 1
  }

  mutating func release(_ number: Int) { events.append(-number - 1) }

  mutating func keep(_ number: Int, for node: String) {
    guard ![.parameter, .buffer].contains(allocations[number].role) else { return }
    allocations[number].isKept = true
    if allocations[number].node.isEmpty { allocations[number].node = node }
  }

  mutating func set(_ role: StepRole, of number: Int) { allocations[number].role = role }
}
