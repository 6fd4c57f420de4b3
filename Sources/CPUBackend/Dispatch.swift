import Tensors

/// Calls a generic kernel with the rows of a tensor in the type that its dtype says.
///
/// A closure cannot be generic, but the name of a generic function stands for any of its
/// specialisations: callers name it once for each type, and the compiler specialises it.
@inline(__always)
func dispatch<Result>(
  _ x: Tensor, flat isFlat: Bool = false, _ float32: (Rows<Float>) -> Result,
  _ bfloat16: (Rows<BFloat16>) -> Result, _ uint8: (Rows<UInt8>) -> Result = { _ in refuseType() }
) -> Result {
  switch x.dtype {
  case .float32: float32(Rows(x, isFlat))
  case .bfloat16: bfloat16(Rows(x, isFlat))
  case .uint8: uint8(Rows(x, isFlat))
  case .float16, .int64, .bool: refuseType()
  }
}

/// Calls a generic kernel with the rows of two tensors, of any two dtypes of numbers.
@inline(__always)
func dispatch<Result>(
  _ x: Tensor, _ y: Tensor, flat isFlat: Bool = false,
  _ floats: (Rows<Float>, Rows<Float>) -> Result,
  _ rounding: (Rows<Float>, Rows<BFloat16>) -> Result,
  _ widening: (Rows<BFloat16>, Rows<Float>) -> Result,
  _ halves: (Rows<BFloat16>, Rows<BFloat16>) -> Result
) -> Result {
  switch (x.dtype, y.dtype) {
  case (.float32, .float32): floats(Rows(x, isFlat), Rows(y, isFlat))
  case (.float32, .bfloat16): rounding(Rows(x, isFlat), Rows(y, isFlat))
  case (.bfloat16, .float32): widening(Rows(x, isFlat), Rows(y, isFlat))
  case (.bfloat16, .bfloat16): halves(Rows(x, isFlat), Rows(y, isFlat))
  default: refuseType()
  }
}

/// Stops at a type that has no kernel: only `fill`, `write`, `read`, `copy` and the dropout ops
/// know uint8, and float16 is refused with the point.
func refuseType() -> Never { preconditionFailure("the op does not compute on this type") }

/// Checks that tensors have the extents of `first`.
func requireEqualExtents(_ first: borrowing Tensor, _ others: Tensor...) {
  for other in others {
    precondition(other.shape.rank == first.shape.rank, "the tensors of an op differ in rank")
    for axis in 0..<first.shape.rank {
      precondition(
        other.extent(axis) == first.extent(axis), "the tensors of an op differ in extents")
    }
  }
}

/// Whether all tensors are contiguous, so that an op may take them as one row.
func areFlat(_ tensors: Tensor...) -> Bool { tensors.allSatisfy(\.isContiguous) }
