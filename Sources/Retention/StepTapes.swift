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

  /// How many passes wait to run backward.
  var count: Int { tapes.count }

  /// Runs the passes from `first` on backward, and forgets them; those before stay.
  func backward(from first: Int) throws {
    for tape in tapes[first...].reversed() { try tape.backward() }
    flops += tapes[first...].reduce(0) { $0 + $1.matmulFlops }
    tapes.removeSubrange(first...)
  }

  /// Counts the work of passes that are not run.
  func count(_ work: Int128) { flops += work }

  /// Runs all passes backward.
  func backward() throws { for tape in tapes.reversed() { try tape.backward() } }

  /// Drops what they saved.
  func discard() { for tape in tapes { tape.discard() } }

  /// Multiplications and additions so far.
  var matmulFlops: Int128 { tapes.reduce(flops) { $0 + $1.matmulFlops } }
}
