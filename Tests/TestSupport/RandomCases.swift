import Foundation

/// The random cases of a test, by index: a third of them, another one every day, or all.
///
/// `BALLAST_TESTS` says which: `full`, or the number of a third, 0 to 2. A third is a run of
/// neighbours, so that what goes by the index's remainder comes in all of its forms.
package func randomCases(_ count: Int) -> Range<Int> {
  let third: Int
  switch ProcessInfo.processInfo.environment["BALLAST_TESTS"] {
  case "full": return 0..<count
  case let text?: third = Int(text) ?? 0
  case nil: third = Int(Date().timeIntervalSince1970 / 86_400)
  }
  let place = ((third % 3) + 3) % 3
  return count * place / 3..<count * (place + 1) / 3
}
