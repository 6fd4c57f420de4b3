/// Where a step runs.
package enum StepDevice: Sendable, Hashable {
  case cpu
  /// A GPU, by whether PyTorch tries cuDNN's attention before its own there, as it does on Hopper
  /// and on Blackwell's data center chips, and by the bytes of cuBLAS's workspace.
  case cuda(prefersCuDNN: Bool, workspace: Int = 0)

  var isCUDA: Bool { self != .cpu }

  /// What a thread's first product takes for cuBLAS, for good.
  var workspace: Int {
    guard case .cuda(_, let bytes) = self else { return 0 }
    return bytes
  }

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
    guard case .cuda(let prefersCuDNN, _) = self else { return .cpuFlash }
    let isHalf = dtype != .float32
    let isAligned = width % (isHalf ? 8 : 4) == 0
    guard isAligned, width <= 256 else { return nil }
    if isHalf, prefersCuDNN { return .cudnn }
    if isHalf, !isMasked { return .flash }
    return isGrouped ? nil : .efficient
  }
}
