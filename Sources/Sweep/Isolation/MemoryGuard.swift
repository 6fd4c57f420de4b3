import Foundation
import Measurement
import Reporting

/// Why a worker was ended for its memory.
enum MemoryBreach: Equatable, Sendable {
  /// It held more than its limit allows for.
  case overLimit(held: Int, most: Int, limit: Int)
  /// The machine had almost nothing left.
  case machineFull(held: Int, left: Int)
}

/// Watches how much memory a worker holds, from outside.
///
/// Tensors are counted before they are made and refused by the limit itself; this is for everything
/// that is not a tensor, and for a machine that other programs fill. A worker is also the first
/// that the kernel ends when memory runs out, should it grow faster than it is looked at.
struct MemoryGuard: Sendable {
  /// The limit of a point that was given; nil for none.
  let limit: Int?
  /// What the machine keeps free.
  private let reserve: Int

  init(limit: Int?) {
    self.limit = limit
    reserve = min(256 << 20, (MachineMemory.total() ?? .max) / 32)
  }

  /// The most that a worker may hold: the limit, a quarter of it for pages that jemalloc keeps
  /// (`Arena.init`), and 256 MiB for the program and its libraries.
  static func most(for limit: Int) -> Int {
    let (sum, overflow) = (limit / 4 + (256 << 20)).addingReportingOverflow(limit)
    return overflow ? .max : sum
  }

  /// What a process does wrong; nil if nothing.
  func breach(of process: pid_t) -> MemoryBreach? {
    guard let held = MachineMemory.privateBytes(of: process) else { return nil }
    if let limit, held > Self.most(for: limit) {
      return .overLimit(held: held, most: Self.most(for: limit), limit: limit)
    }
    if held > reserve, let left = MachineMemory.machineAvailable(), left < reserve {
      return .machineFull(held: held, left: left)
    }
    return nil
  }
}
