import Tensors

/// The float32 values that a kernel computes on at once.
///
/// Eight lanes are two SSE2 registers, AVX's one: wide enough to hide the latency of an addition,
/// narrow enough that the longest kernel does not spill.
typealias Lanes = SIMD8<Float>
/// The bit patterns of `Lanes`.
typealias LaneBits = SIMD8<UInt32>

extension Lanes {
  /// The number of lanes.
  @inline(__always) static var width: Int { Lanes.scalarCount }
}

/// An element type that kernels load into float32 lanes and store from them.
///
/// `lanes` is `Lanes.width` in the body of a loop and less in its tail; with the constant, the
/// choice folds away.
protocol KernelElement: BitwiseCopyable, Sendable {
  /// The type's name in a tensor.
  static var dtype: DType { get }

  /// Rounds a float32 value to nearest, ties to even.
  init(rounding value: Float)
  /// The value, exact in float32.
  var float: Float { get }

  /// Reads `Lanes.width` elements.
  @unsafe static func loadAll(_ address: UnsafePointer<Self>) -> Lanes
  /// Writes `Lanes.width` elements.
  @unsafe static func storeAll(_ lanes: Lanes, to address: UnsafeMutablePointer<Self>)
}

extension KernelElement {
  /// Reads `lanes` elements; the remaining lanes are `padding`.
  @unsafe @inline(__always) static func load(
    _ address: UnsafePointer<Self>, _ lanes: Int, padding: Float = 0
  ) -> Lanes {
    if lanes == Lanes.width { return unsafe loadAll(address) }
    var values = Lanes(repeating: padding)
    for lane in 0..<lanes { values[lane] = unsafe address[lane].float }
    return values
  }

  /// Writes the first `lanes` lanes.
  @unsafe @inline(__always) static func store(
    _ values: Lanes, to address: UnsafeMutablePointer<Self>, _ lanes: Int
  ) {
    if lanes == Lanes.width { return unsafe storeAll(values, to: address) }
    for lane in 0..<lanes { unsafe address[lane] = Self(rounding: values[lane]) }
  }
}

extension Float: KernelElement {
  static var dtype: DType { .float32 }
  @inline(__always) init(rounding value: Float) { self = value }
  @inline(__always) var float: Float { self }

  // Unaligned: a row of a view starts at any element.
  @unsafe @inline(__always) static func loadAll(_ address: UnsafePointer<Float>) -> Lanes {
    unsafe UnsafeRawPointer(address).loadUnaligned(as: Lanes.self)
  }
  @unsafe @inline(__always) static func storeAll(
    _ lanes: Lanes, to address: UnsafeMutablePointer<Float>
  ) {
    unsafe UnsafeMutableRawPointer(address).storeBytes(of: lanes, as: Lanes.self)
  }
}

/// The upper half of a float32: 8 bits of exponent, 7 of fraction.
struct BFloat16: KernelElement {
  /// The stored bits.
  var bits: UInt16

  static var dtype: DType { .bfloat16 }

  @inline(__always) init(rounding value: Float) {
    let pattern = value.bitPattern
    // A signalling payload in the low half alone would round to infinity: make it quiet instead.
    bits =
      value != value
      ? UInt16(truncatingIfNeeded: (pattern >> 16) | 0x40)
      : UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ ((pattern >> 16) & 1)) >> 16)
  }

  @inline(__always) var float: Float { Float(bitPattern: UInt32(bits) << 16) }

  // The upper halves of 32-bit words: putting them there and taking them out is a shuffle each.
  // `init(truncatingIfNeeded:)` of vectors compiles to a call.
  @unsafe @inline(__always) static func loadAll(_ address: UnsafePointer<BFloat16>) -> Lanes {
    var halves = SIMD16<UInt16>()
    halves.oddHalf = unsafe UnsafeRawPointer(address).loadUnaligned(as: SIMD8<UInt16>.self)
    let bits = unsafe unsafeBitCast(halves, to: LaneBits.self)
    return Lanes(bits: bits)
  }

  @unsafe @inline(__always) static func storeAll(
    _ lanes: Lanes, to address: UnsafeMutablePointer<BFloat16>
  ) {
    let bits = lanes.bits
    let odd = (bits &>> LaneBits(repeating: 16)) & LaneBits(repeating: 1)
    let rounded = (bits &+ LaneBits(repeating: 0x7FFF) &+ odd)
      .replacing(with: bits | LaneBits(repeating: 0x40_0000), where: lanes .!= lanes)
    let halves = unsafe unsafeBitCast(rounded, to: SIMD16<UInt16>.self).oddHalf
    unsafe UnsafeMutableRawPointer(address).storeBytes(of: halves, as: SIMD8<UInt16>.self)
  }
}

/// A mask's element: 1 keeps, 0 drops; numbers outside 0 … 255 become the nearest of these.
extension UInt8: KernelElement {
  static var dtype: DType { .uint8 }

  @inline(__always) init(rounding value: Float) {
    self = value > 0 ? UInt8(Swift.min(value, 255).rounded(.toNearestOrEven)) : 0
  }
  @inline(__always) var float: Float { Float(self) }

  @unsafe @inline(__always) static func loadAll(_ address: UnsafePointer<UInt8>) -> Lanes {
    var values = Lanes()
    for lane in 0..<Lanes.width { values[lane] = unsafe Float(address[lane]) }
    return values
  }

  @unsafe @inline(__always) static func storeAll(
    _ lanes: Lanes, to address: UnsafeMutablePointer<UInt8>
  ) {
    for lane in 0..<Lanes.width { unsafe address[lane] = UInt8(rounding: lanes[lane]) }
  }
}

extension Lanes {
  /// The bit patterns; safe: both are 32 bytes without invalid values.
  @inline(__always) var bits: LaneBits { unsafe unsafeBitCast(self, to: LaneBits.self) }
  @inline(__always) init(bits: LaneBits) { self = unsafe unsafeBitCast(bits, to: Lanes.self) }
}

/// Calls `step(index, lanes)` for a row: full lanes first, then what is left.
@inline(__always)
func forEachStep(_ range: Range<Int>, _ step: (Int, Int) -> Void) {
  var index = range.lowerBound
  let full = range.upperBound &- Lanes.width
  while index <= full {
    step(index, Lanes.width)
    index &+= Lanes.width
  }
  if index < range.upperBound { step(index, range.upperBound &- index) }
}
