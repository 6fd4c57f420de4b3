/// Names a storage within one ledger; numbers are never used twice.
package struct StorageID: Hashable, Sendable, Comparable {
  package let number: Int

  package static func < (left: StorageID, right: StorageID) -> Bool { left.number < right.number }
}

/// Where in the model an event happens: the op that runs, and its layer if it stands in one.
package struct Scope: Hashable, Sendable {
  /// Which of an op's runs it is.
  package enum Pass: Hashable, Sendable {
    case forward, backward
    /// In backward, to make again what forward did not keep.
    case recomputation
  }

  package var op: Op
  package var layer: Int?
  package var pass: Pass

  package init(_ op: Op, layer: Int? = nil, pass: Pass = .forward) {
    (self.op, self.layer, self.pass) = (op, layer, pass)
  }

  /// What people read: `q_proj`, `q_proj.backward`, `attention_norm.recompute`.
  package var name: String {
    switch pass {
    case .forward: op.name
    case .backward: "\(op.name).backward"
    case .recomputation: "\(op.name).recompute"
    }
  }
}

/// What a storage holds, as its first owner asked for it.
package struct StorageDescription: Equatable, Sendable {
  package var tensor: String
  package var role: TensorRole
  /// Whether it is the gradient of a tensor of that role.
  package var isGradient: Bool
  package var category: Category
  /// Extents, outermost first.
  package var shape: [Int]
  package var dtype: String
  package var requestedBytes: Int
  package var allocatedBytes: Int
  package var regions: RegionBytes

  package init(
    tensor: String, role: TensorRole, isGradient: Bool = false, category: Category, shape: [Int],
    dtype: String, requestedBytes: Int, allocatedBytes: Int, regions: RegionBytes
  ) {
    (self.tensor, self.role, self.isGradient) = (tensor, role, isGradient)
    self.category = category
    self.shape = shape
    self.dtype = dtype
    self.requestedBytes = requestedBytes
    self.allocatedBytes = allocatedBytes
    self.regions = regions
  }
}

/// The tensor that an op handed in to be kept: extents, outermost first, and element type.
package struct SavedView: Equatable, Sendable {
  package var shape: [Int]
  package var dtype: String

  package init(shape: [Int], dtype: String) {
    self.shape = shape
    self.dtype = dtype
  }
}

/// One op's reason to keep a storage for backward.
package struct Saver: Equatable, Sendable {
  package var scope: Scope
  /// The op's own name for what it saved.
  package var tensor: String
  /// What it saved: the whole storage, or a view of it that keeps the whole alive.
  package var view: SavedView
  /// The gradients whose formulas read it, such as `W_Q`.
  package var neededFor: [String]
}

/// A storage that is alive because backward needs it, with all of its savers in order.
package struct SavedStorage: Equatable, Sendable {
  package var id: StorageID
  package var description: StorageDescription
  package var savers: [Saver]
  /// How many equal ones it stands for, itself included: more than 1 where equal layers were
  /// counted and not run.
  package var copies = 1

  package init(
    id: StorageID, description: StorageDescription, savers: [Saver], copies: Int = 1
  ) {
    (self.id, self.description, self.savers, self.copies) = (id, description, savers, copies)
  }
}

/// A storage that is alive at some moment.
package struct LiveStorage: Equatable, Sendable {
  package var id: StorageID
  package var scope: Scope
  package var description: StorageDescription
}

/// Something that happened, as observers hear of it.
package enum Event: Equatable, Sendable {
  case allocate(StorageID, Scope, StorageDescription)
  case free(StorageID)
  case save(StorageID, Saver)
  case release(StorageID)
  /// An op starts: in forward, in backward, or to be made again.
  case begin(Scope)
  case end(Scope)
  case enter(Phase)
}
