/// The most that a step holds at once, and what that is made of.
package struct StepPeaks: Equatable, Sendable {
  /// The most of all, and what stands then.
  package struct Moment: Equatable, Sendable {
    package var total = 0
    package var parameters = 0
    package var gradients = 0
    package var states = 0
    /// Activations, gradients on their way, and the caller's own.
    package var rest: Int { total - parameters - gradients - states }

    package init() {}

    package init(parameters: Int, gradients: Int, states: Int, rest: Int) {
      (self.parameters, self.gradients, self.states) = (parameters, gradients, states)
      total = parameters + gradients + states + rest
    }
  }

  /// The most bytes of activations, and of what backward makes besides gradients, in forward and
  /// loss, and in backward: as they are asked for.
  package private(set) var forward = 0
  package private(set) var backward = 0
  /// The most of all, in the allocator's blocks: outside of the optimizer's steps, and in them.
  package private(set) var step = Moment()
  package private(set) var optimizer = Moment()

  /// The higher of the two.
  package var most: Moment { optimizer.total > step.total ? optimizer : step }

  /// - Parameters:
  ///   - stream: The steps.
  ///   - block: What the allocator rounds up to.
  package init(of stream: StepStream, block: Int) {
    var now = Moment()
    var live = 0
    var span = 0
    for (place, event) in stream.events.enumerated() {
      while span + 1 < stream.spans.count, stream.spans[span + 1].firstEvent <= place { span += 1 }
      let phase = stream.spans[span].phase
      let allocation = stream.allocations[event >= 0 ? event : -event - 1]
      let sign = event >= 0 ? 1 : -1
      let bytes = sign * ((allocation.bytes + block - 1) / block * block)
      now.total += bytes
      switch allocation.role {
      case .parameter, .buffer: now.parameters += bytes
      case .gradient: now.gradients += bytes
      case .optimizerState: now.states += bytes
      case .activation, .backward: live += sign * allocation.bytes
      case .input, .temporary, .workspace, .collective, .other: break
      }
      switch phase {
      case .forward, .loss: forward = max(forward, live)
      case .backward: backward = max(backward, live)
      case .model, .optimizer, .zero, .other: break
      }
      if phase == .optimizer {
        if now.total > optimizer.total { optimizer = now }
      } else if now.total > step.total {
        step = now
      }
    }
  }
}
