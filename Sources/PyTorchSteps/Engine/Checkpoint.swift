/// `torch.utils.checkpoint` without reentry: a layer runs forward, its saved tensors are not kept,
/// and it runs again when backward asks for the first of them.
final class CheckpointFrame {
  /// The arguments, and what the call's closure holds: constants of all layers.
  let held: [TorchTensor]
  let body: (Torch) -> Void
  var holders: [CheckpointHolder] = []
  private var isMadeAgain = false
  /// How many of its holders backward still has.
  private var left = 0

  init(_ held: [TorchTensor], on torch: Torch, body: @escaping (Torch) -> Void) {
    (self.held, self.body) = (held, body)
    for each in held { torch.hold(each) }
  }

  func add(_ holder: CheckpointHolder) {
    holders.append(holder)
    left += 1
  }

  /// Ends what the frame holds when the last of its saved tensors is let go of.
  func forget(on torch: Torch) {
    left -= 1
    if left == 0 { for each in held { torch.drop(each) } }
  }

  /// Runs the layer again until all is there that it saved.
  func makeAgain(on torch: Torch) {
    guard !isMadeAgain else { return }
    isMadeAgain = true
    let (running, checkpoints) = (torch.running, torch.checkpoints)
    torch.checkpoints.append(CheckpointMode(frame: self, isAgain: true))
    torch.recording(true) { torch.python { body(torch) } }
    torch.isStopped = false
    let rest = torch.stopped
    torch.stopped = []
    for each in rest { torch.drop(each) }
    (torch.running, torch.checkpoints) = (running, checkpoints)
  }
}

/// What stands for a saved tensor of a checkpointed layer.
final class CheckpointHolder {
  let frame: CheckpointFrame
  /// The tensor, once it has been made again, until it is read.
  var tensor: TorchTensor?

  init(frame: CheckpointFrame) { self.frame = frame }
}

/// The hooks of a checkpoint: of the first run, or of the second.
final class CheckpointMode {
  private let frame: CheckpointFrame
  private let isAgain: Bool
  private var place = 0

  init(frame: CheckpointFrame, isAgain: Bool) {
    (self.frame, self.isAgain) = (frame, isAgain)
  }

  func pack(_ x: TorchTensor, on torch: Torch) -> CheckpointHolder? {
    guard isAgain else {
      let holder = CheckpointHolder(frame: frame)
      frame.add(holder)
      return holder
    }
    // `x.detach()`, which the holder has until it is read.
    let kept = TorchTensor(
      x.storage, shape: x.shape, strides: x.strides, dtype: x.dtype, base: nil)
    kept.storage.tensors += 1
    kept.holders = 1
    frame.holders[place].tensor = kept
    place += 1
    if place == frame.holders.count { torch.isStopped = true }
    return nil
  }
}

extension SavedTensor {
  /// What was kept, or what its checkpoint makes again: with the frame's hold on it given up.
  func unpack(on torch: Torch) -> TorchTensor? {
    guard let holder else { return tensor }
    holder.frame.makeAgain(on: torch)
    defer { holder.tensor = nil }
    return holder.tensor.map(torch.hand)
  }
}

extension Torch {
  /// Runs a layer under a checkpoint; `held` is what its call keeps, arguments first.
  func checkpoint(
    holding held: [TorchTensor], _ body: @escaping (Torch) -> TorchTensor
  ) -> TorchTensor {
    let stack = moduleStack
    let frame = CheckpointFrame(held, on: self) { torch in
      torch.inModules(stack) {
        let result = body(torch)
        torch.consume(result)
      }
    }
    checkpoints.append(CheckpointMode(frame: frame, isAgain: false))
    defer { checkpoints.removeLast() }
    return body(self)
  }
}
