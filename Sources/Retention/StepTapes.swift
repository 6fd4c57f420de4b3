import Autograd
import Tensors

/// The records of a step's passes, which run backward from the last to the first.
final class StepTapes {
  private let policy: RecomputePolicy
  private var tapes: [Tape] = []
  /// Multiplications and additions of the passes that are done.
  private var flops: Int128 = 0

  init(policy: RecomputePolicy) { self.policy = policy }

  /// The tape of a pass that comes after those so far.
  func next(_ tensors: TensorFactory) -> Tape {
    let tape = Tape(tensors: tensors, policy: policy)
    tapes.append(tape)
    return tape
  }

  /// Runs the last passes backward, and forgets them; the first stays for what follows.
  func backward(last count: Int) throws {
    for tape in tapes.suffix(count).reversed() { try tape.backward() }
    let first = tapes.count - count
    flops += tapes[first...].reduce(0) { $0 + $1.matmulFlops }
    tapes.removeLast(count)
  }

  /// Runs all passes backward.
  func backward() throws { for tape in tapes.reversed() { try tape.backward() } }

  /// Drops what they saved.
  func discard() { for tape in tapes { tape.discard() } }

  /// Multiplications and additions so far.
  var matmulFlops: Int128 { tapes.reduce(flops) { $0 + $1.matmulFlops } }
}
