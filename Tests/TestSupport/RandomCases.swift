import Foundation

/// Whether everything runs that can, as `scripts/test --full` has it.
package let runsAll = ProcessInfo.processInfo.environment["BALLAST_TESTS"] == "full"

/// The random cases of a test, by index: a sixth of them, another one every day, or all.
///
/// `BALLAST_TESTS` says which: `full`, or the number of a sixth, 0 to 5. A sixth is a run of
/// neighbours, so that what goes by the index's remainder comes in its forms.
package func randomCases(_ count: Int) -> Range<Int> {
  guard !runsAll else { return 0..<count }
  let given = ProcessInfo.processInfo.environment["BALLAST_TESTS"]
  let day = given.map { Int($0) ?? 0 } ?? Int(Date().timeIntervalSince1970 / 86_400)
  let place = ((day % 6) + 6) % 6
  return count * place / 6..<count * (place + 1) / 6
}
