/// A number that follows from lengths: itself, a length, or what earlier values make.
package enum LawValue: Equatable, Sendable {
  case constant(Int)
  case variable(RecordedLaws.Variable)
  /// Python's `int.bit_length` of the absolute value.
  case bits(Int)
  case binary(Operation, Int, Int)

  /// What is made of two values, as Python computes it.
  package enum Operation: String, Sendable, CaseIterable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    /// Rounds down, and the remainder has the divisor's sign.
    case divide = "//"
    case remainder = "%"
    case shift = "<<"
    case least = "min"
    case most = "max"
    /// 1 where it is so, else 0.
    case isLess = "<"
    case isAtMost = "<="
    case isEqual = "=="
  }

  /// All values at some lengths, each nil that cannot be: divided by 0, or beyond 64 bits.
  package static func evaluated(_ values: [LawValue], at lengths: StepLengths) -> [Int?] {
    var numbers: [Int?] = []
    numbers.reserveCapacity(values.count)
    for value in values {
      switch value {
      case .constant(let number): numbers.append(number)
      case .variable(let variable): numbers.append(lengths[variable])
      case .bits(let place):
        numbers.append(numbers[place].map { Int.bitWidth - $0.magnitude.leadingZeroBitCount })
      case .binary(let operation, let left, let right):
        if let left = numbers[left], let right = numbers[right] {
          numbers.append(operation(left, right))
        } else {
          numbers.append(nil)
        }
      }
    }
    return numbers
  }
}

extension LawValue.Operation {
  package func callAsFunction(_ left: Int, _ right: Int) -> Int? {
    switch self {
    case .add: whole(left.addingReportingOverflow(right))
    case .subtract: whole(left.subtractingReportingOverflow(right))
    case .multiply: whole(left.multipliedReportingOverflow(by: right))
    case .divide: Self.floorDivided(left, by: right)?.quotient
    case .remainder: Self.floorDivided(left, by: right)?.remainder
    case .shift: Self.shifted(left, by: right)
    case .least: min(left, right)
    case .most: max(left, right)
    case .isLess: left < right ? 1 : 0
    case .isAtMost: left <= right ? 1 : 0
    case .isEqual: left == right ? 1 : 0
    }
  }

  private func whole(_ result: (partialValue: Int, overflow: Bool)) -> Int? {
    result.overflow ? nil : result.partialValue
  }

  private static func floorDivided(
    _ left: Int, by right: Int
  ) -> (quotient: Int, remainder: Int)? {
    let (quotient, overflows) = left.dividedReportingOverflow(by: right)
    guard right != 0, !overflows else { return nil }
    let remainder = left - quotient * right
    // Swift rounds towards 0.
    return remainder != 0 && (remainder < 0) != (right < 0)
      ? (quotient - 1, remainder + right) : (quotient, remainder)
  }

  private static func shifted(_ left: Int, by right: Int) -> Int? {
    guard (0..<Int.bitWidth - 1).contains(right) else { return nil }
    let result = left << right
    return result >> right == left ? result : nil
  }
}
