package import Ledger

extension Recording {
  /// What tensors share, each value once.
  package struct Tables: Equatable, Sendable {
    package var ops: [String]
    package var modules: [String]
    /// Autograd's nodes; empty for what no node made.
    package var nodes: [String]
    package var roles: [Role]
    package var dtypes: [String]
    package var shapes: [[Int]]
    package var regions: [RegionBytes]
  }

  /// What a tensor is to the step.
  package enum Role: String, Sendable, CaseIterable {
    case parameter, buffer, input, gradient
    case optimizerState = "optimizer-state"
    /// Made in forward.
    case activation
    /// Made in backward, and no parameter's gradient.
    case backward
    /// Inside a kernel.
    case temporary
    /// cuBLAS's, held by a thread.
    case workspace
    /// Gathered parameters, and what is reduced and scattered.
    case collective
    case other
  }

  /// All allocations, a column a property; columns of table places are those of `Tables`.
  package struct Tensors: Equatable, Sendable {
    /// What the allocator is asked for.
    package var bytes: [Int]
    package var op: [Int]
    package var module: [Int]
    /// -1 outside the layers.
    package var layer: [Int]
    package var role: [Int]
    package var node: [Int]
    package var dtype: [Int]
    package var shape: [Int]
    package var regions: [Int]
    /// Whether autograd holds it for backward at the boundary of the step in which it was made.
    package var isKept: [Bool]
    /// The CUDA stream that was current, 0 for the default one; empty where all are on that.
    package var stream: [Int]

    package var count: Int { bytes.count }

    package static let empty = Tensors(
      bytes: [], op: [], module: [], layer: [], role: [], node: [], dtype: [], shape: [],
      regions: [], isKept: [], stream: [])
  }

  /// One tensor, with the values that its columns point to.
  package struct Tensor: Equatable, Sendable {
    package let number: Int
    package let bytes: Int
    package let op: String
    package let module: String
    /// nil outside the layers.
    package let layer: Int?
    package let role: Role
    package let node: String
    package let dtype: String
    package let shape: [Int]
    package let regions: RegionBytes
    package let isKept: Bool
  }

  package func tensor(_ number: Int) -> Tensor {
    Tensor(
      number: number, bytes: tensors.bytes[number], op: tables.ops[tensors.op[number]],
      module: tables.modules[tensors.module[number]],
      layer: tensors.layer[number] < 0 ? nil : tensors.layer[number],
      role: tables.roles[tensors.role[number]], node: tables.nodes[tensors.node[number]],
      dtype: tables.dtypes[tensors.dtype[number]], shape: tables.shapes[tensors.shape[number]],
      regions: tables.regions[tensors.regions[number]], isKept: tensors.isKept[number])
  }

  /// A tensor's role, without the rest of it.
  package func role(ofTensor number: Int) -> Role { tables.roles[tensors.role[number]] }

  /// A tensor's regions, without the rest of it.
  package func regions(ofTensor number: Int) -> RegionBytes {
    tables.regions[tensors.regions[number]]
  }
}
