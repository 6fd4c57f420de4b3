import Recordings
import RecordedSteps

/// What stands at a moment of a step, by role and by kind of tensor; most bytes first.
struct HeldAtPeak {
  let roles: [(role: Recording.Role, bytes: Int)]
  let kinds: [Kind]
  /// Of all tensors together.
  let bytes: Int

  /// Tensors that are alike, of whatever layers.
  struct Kind {
    let role: Recording.Role
    let op: String
    /// The module without its layer, or the op outside of all.
    let place: String
    let shape: [Int]
    let dtype: String
    /// Of each.
    let bytes: Int
    var count: Int

    var total: Int { bytes * count }
  }

  private struct Key: Hashable {
    let op: Int
    let role: Int
    let dtype: Int
    let bytes: Int
    let place: String
    let shape: [Int]
  }

  init(_ recording: Recording, after event: Int) {
    var sums: [Recording.Role: Int] = [:]
    var places: [Key: Int] = [:]
    var kinds: [Kind] = []
    let tensors = recording.tensors
    for number in recording.alive(after: event) {
      let tensor = recording.tensor(number)
      sums[tensor.role, default: 0] += tensor.bytes
      let key = Key(
        op: tensors.op[number], role: tensors.role[number], dtype: tensors.dtype[number],
        bytes: tensor.bytes, place: tensor.place, shape: tensor.shape)
      if let place = places[key] {
        kinds[place].count += 1
      } else {
        places[key] = kinds.count
        kinds.append(
          Kind(
            role: tensor.role, op: tensor.op, place: tensor.place, shape: tensor.shape,
            dtype: tensor.dtype, bytes: tensor.bytes, count: 1))
      }
    }
    roles = Recording.Role.allCases.compactMap { role in sums[role].map { (role, $0) } }
      .sorted { $0.bytes > $1.bytes }
    bytes = sums.values.reduce(0, +)
    self.kinds = kinds.enumerated()
      .sorted { ($1.element.total, $0.offset) < ($0.element.total, $1.offset) }.map(\.element)
  }

  /// ` in bfloat16` where that is the type of what stays for the training, but for a twentieth.
  func typeWords(_ role: Recording.Role) -> String {
    guard [.parameter, .gradient, .optimizerState].contains(role) else { return "" }
    var sums: [String: Int] = [:]
    for kind in kinds where kind.role == role { sums[kind.dtype, default: 0] += kind.total }
    guard let most = sums.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), !most.key.isEmpty,
      most.value > sums.values.reduce(0, +) / 100 * 95
    else { return "" }
    return " in \(most.key)"
  }

  /// What the allocator adds to these tensors: it gives whole blocks of 512 bytes, and a free block
  /// that is a little larger than was asked for as it is. Nil where it adds nothing.
  func rounding(of allocated: Int) -> Int? { allocated > bytes ? allocated - bytes : nil }
}

extension Recording.Role {
  /// As a person calls what is of the role.
  var words: String {
    switch self {
    case .parameter: "weights"
    case .buffer: "buffers"
    case .input: "inputs"
    case .gradient: "gradients of weights"
    case .optimizerState: "optimizer's states"
    case .activation: "activations"
    case .backward: "gradients of activations"
    case .temporary: "kernels' temporaries"
    case .workspace: "cuBLAS's workspaces"
    case .collective: "collectives"
    case .other: "other"
    }
  }
}
