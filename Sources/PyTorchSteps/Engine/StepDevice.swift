/// Where a step runs.
package enum StepDevice: Sendable, Hashable {
  case cpu
  /// A GPU, by whether PyTorch tries cuDNN's attention before its own there, as it does on Hopper
  /// and on Blackwell's data center chips.
  case cuda(prefersCuDNN: Bool)

  var isCUDA: Bool { self != .cpu }

  /// A kernel of scaled dot products.
  enum Kernel: String {
    case cpuFlash = "flash_attention_for_cpu"
    case flash = "flash_attention"
    case cudnn = "cudnn_attention"
    case efficient = "efficient_attention"
  }

  /// The kernel that takes queries of a type and of so wide heads; nil where plain products would
  /// run, or the operands be padded (`sdp_utils.cpp`: `select_sdp_backend`).
  ///
  /// - Parameters:
  ///   - dtype: The type of all operands.
  ///   - width: D, of a head.
  ///   - isMasked: Whether there is a mask.
  ///   - isGrouped: Whether a head of keys serves several of queries.
  /// - Returns: The kernel.
  func kernel(_ dtype: ElementType, width: Int, isMasked: Bool, isGrouped: Bool) -> Kernel? {
    guard case .cuda(let prefersCuDNN) = self else { return .cpuFlash }
    let isHalf = dtype != .float32
    let isAligned = width % (isHalf ? 8 : 4) == 0
    guard isAligned, width <= 256 else { return nil }
    if isHalf, prefersCuDNN { return .cudnn }
    if isHalf, !isMasked { return .flash }
    return isGrouped ? nil : .efficient
  }
}
