/// What PyTorch would say where nothing that it can do makes room.
package struct OutOfMemory: Error, Equatable, Sendable {
  /// What CUDA was asked for: a segment (`alloc_size`).
  package let asked: Int
  /// The request that it was for.
  package let requested: Int
  /// What CUDA had left.
  package let free: Int
  /// All of the device.
  package let total: Int
  package let allocated: Int
  package let reserved: Int

  package init(
    asked: Int, requested: Int, free: Int, total: Int, allocated: Int, reserved: Int
  ) {
    (self.asked, self.requested, self.free) = (asked, requested, free)
    (self.total, self.allocated, self.reserved) = (total, allocated, reserved)
  }

  /// The message of `torch.OutOfMemoryError`, without its advice.
  package var message: String {
    "CUDA out of memory. Tried to allocate \(Self.size(asked)). GPU 0 has a total capacity of "
      + "\(Self.size(total)) of which \(Self.size(free)) is free. Of the allocated memory "
      + "\(Self.size(allocated)) is allocated by PyTorch, and "
      + "\(Self.size(reserved - allocated)) is reserved by PyTorch but unallocated."
  }

  /// `format_size` of c10/cuda/CUDACachingAllocator.cpp.
  static func size(_ bytes: Int) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] where bytes > unit {
      let hundredths = (bytes / unit) * 100 + ((bytes % unit) * 100 + unit / 2) / unit
      let rest = hundredths % 100
      return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) \(name)"
    }
    return "\(bytes) bytes"
  }
}

/// How much memory the allocator's device has.
package struct DeviceMemory: Equatable, Sendable {
  /// All of it; nil for no limit.
  package let total: Int?
  /// What the driver's context and others hold.
  package let held: Int

  package init(total: Int? = nil, held: Int = 0) { (self.total, self.held) = (total, held) }

  package static let unlimited = DeviceMemory()

  /// The memory of a GPU on which nothing else runs.
  package init(_ gpu: GPU) { self.init(total: gpu.memoryBytes, held: gpu.contextBytes) }

  /// What there is for PyTorch.
  package var room: Int { total.map { max($0 - held, 0) } ?? .max }

  /// What CUDA has left where so much is reserved.
  func free(beside reserved: Int) -> Int { max(room - reserved, 0) }
}
