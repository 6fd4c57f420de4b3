/// The memory of tensors, which lives as long as one of them.
final class TorchStorage {
  /// Its number in the stream; nil for one of no bytes.
  let number: Int?
  /// The tensors on it.
  var tensors = 0
  /// The nodes that keep it.
  var savers = 0

  init(number: Int?) { self.number = number }
}

/// A tensor as PyTorch has it: a shape on a storage, and where its gradient goes.
///
/// Who holds it is counted by hand, and its storage is released when nobody does: Swift frees what
/// is not used any more, Python what no name, argument or container holds. A result that nobody
/// holds yet lies on Python's stack, and dies when the op that takes it has run.
package final class TorchTensor {
  let storage: TorchStorage
  package let shape: [Int]
  let strides: [Int]
  package let dtype: ElementType
  /// What it is a view of.
  let base: TorchTensor?
  /// Names, arguments, containers and views that hold it.
  var holders = 0
  var isAlive = true
  var requiresGradient = false
  var isParameter = false
  /// The node whose result it is, and which of its results; of a leaf, the one that gathers.
  var edge: Edge?
  /// The gradient of a leaf.
  var gradient: TorchTensor?

  init(
    _ storage: TorchStorage, shape: [Int], strides: [Int], dtype: ElementType, base: TorchTensor?
  ) {
    (self.storage, self.shape, self.strides) = (storage, shape, strides)
    (self.dtype, self.base) = (dtype, base)
  }

  package var count: Int { shape.reduce(1, *) }
  var isContiguous: Bool { Strides.areContiguous(strides, shape) }
  var isDense: Bool { Strides.areDense(strides, shape) }
}

/// A way of a gradient: to which node, and as which of its inputs.
struct Edge {
  let node: Node
  let number: Int
}

/// What a node keeps of a tensor.
final class SavedTensor {
  /// The op's own name for it.
  let name: String
  /// Nil under a checkpoint, which makes it again.
  var tensor: TorchTensor?
  let holder: CheckpointHolder?

  init(_ name: String, _ tensor: TorchTensor?, holder: CheckpointHolder?) {
    (self.name, self.tensor, self.holder) = (name, tensor, holder)
  }
}

/// An op in backward.
final class Node {
  typealias Formula = (_ torch: Torch, _ call: BackwardCall) -> [TorchTensor?]

  let name: String
  /// Later nodes run first.
  let sequence: Int
  /// The module in whose forward it was made.
  let module: String
  /// Where the gradients of its op's inputs go.
  let next: [Edge?]
  var saved: [SavedTensor?] = []
  /// Shapes and types of its op's results: of what comes in.
  var results: [(shape: [Int], dtype: ElementType)] = []
  let formula: Formula
  /// The parameter whose gradient it gathers.
  let leaf: TorchTensor?

  init(
    _ name: String, sequence: Int, module: String, next: [Edge?], leaf: TorchTensor? = nil,
    formula: @escaping Formula
  ) {
    (self.name, self.sequence, self.module, self.next) = (name, sequence, module, next)
    (self.leaf, self.formula) = (leaf, formula)
  }
}

/// What a node's formula reads.
struct BackwardCall {
  let node: Node
  let gradients: [TorchTensor?]
  let saved: [TorchTensor?]

  /// The one gradient of an op with one result.
  var gradient: TorchTensor {
    guard let first = gradients.first, let first else {
      preconditionFailure("\(node.name) runs without a gradient")
    }
    return first
  }

  /// Whether somebody wants the gradient of an input.
  func wants(_ input: Int) -> Bool { node.next[input] != nil }

  func saved(_ number: Int) -> TorchTensor {
    guard let tensor = saved[number] else {
      preconditionFailure("\(node.name) reads what it has not kept")
    }
    return tensor
  }
}
