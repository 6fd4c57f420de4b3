import Budgets
import Measurement
import Profiles
import Retention
import Testing

private let start = """
  model: seed
  n_c: [4, 8]
  n_g: 4
  mode: [full-graph, detached-prefix]
  attention: [fused, materialized]
  budgets:

  """

private func budgets(_ lines: String) throws -> [Budget] {
  try Profile(text: start + lines, file: "x.yaml").budgets
}

@Suite struct BudgetParserTests {
  @Test func `limits are sizes, numbers, or the baseline with something more or less`() throws {
    let all = try budgets(
      """
        - {figure: retained, at_most: 4KiB, at_least: 0}
        - {figure: peak, at_most: baseline + 2%, at_least: baseline - 64}
        - {figure: allocated, at_most: baseline, at_least: baseline - 1KiB}
        - {figure: gradient_error, at_most: 1e-5}
        - {figure: retained, relative_to: full-graph, at_most: 0.15}
        - {figure: per_prefix_token, within: 0%}
        - {figure: retained, within: 512}
        - {figure: gradient_error, within: 10%}
        - {figure: peak, relative_to: full-graph, at_most: baseline + 0.02}
      """)
    #expect(all.map(\.line) == Array(7...15))
    #expect(
      all.map(\.upper) == [
        .absolute(4096), .baseline(percent: 2, amount: 0), .baseline(percent: 0, amount: 0),
        .absolute(1e-5), .absolute(0.15), .baseline(percent: 0, amount: 0),
        .baseline(percent: 0, amount: 512), .baseline(percent: 10, amount: 0),
        .baseline(percent: 0, amount: 0.02),
      ])
    #expect(
      all.map(\.lower) == [
        .absolute(0), .baseline(percent: 0, amount: -64), .baseline(percent: 0, amount: -1024),
        nil, nil, .baseline(percent: 0, amount: 0), .baseline(percent: 0, amount: -512),
        .baseline(percent: -10, amount: 0), nil,
      ])
    #expect(all.map(\.needsBaseline) == [false, true, true, false, false, true, true, true, true])
    #expect(all[4].relativeTo == .fullGraph && all[4].title == "retained / full-graph")
  }

  @Test func `axes choose the points of a budget`() throws {
    let text =
      start + """
          - {figure: peak, at_most: 1, n_c: 8, mode: [detached-prefix], attention: fused}
          - {figure: peak, at_most: 1, model: seed, dtype: float32, layers: 1, kv_gradients: float32}
          - {figure: peak, at_most: 1, n_c: {from: 8, to: 10, step: 1}}
        """
    let profile = try Profile(text: text, file: "x.yaml")
    let chosen = profile.budgets.map { budget in
      profile.points.filter { budget.applies(to: PointCells($0.point)) }.count
    }
    #expect(chosen == [1, 8, 4])
  }

  @Test func `a profile without budgets has none`() throws {
    #expect(try Profile(text: "model: seed\nn_c: 4\nn_g: 4", file: "x.yaml").budgets.isEmpty)
  }

  /// What a list of budgets says wrong, the line, and what the sentence must hold.
  private static let bad: [(text: String, line: Int, parts: [String])] = [
    ("  4", 6, ["budgets must be a list"]),
    ("  []", 6, ["budgets must be a list"]),
    ("  - retained", 7, ["a budget is a mapping"]),
    ("  - {at_most: 4}", 7, ["has no figure", "per_prefix_token"]),
    ("  - {figure: retaned, at_most: 4}", 7, ["did you mean \"retained\""]),
    ("  - {figure: retained}", 7, ["no at_most, at_least or within"]),
    ("  - {figure: retained, atmost: 4}", 7, ["unknown key", "did you mean \"at_most\""]),
    ("  - {figure: retained, at_most: 4, at_most: 5}", 7, ["more than once"]),
    ("  - {figure: retained, at_most: 4gB}", 7, ["at_most \"4gB\" is not a size"]),
    ("  - {figure: retained, at_most: 24G}", 7, ["at_most \"24G\"", "24GiB", "24GB"]),
    ("  - {figure: retained, at_most: -4}", 7, ["is not a size"]),
    ("  - {figure: retained, at_most: 0.15}", 7, ["is not a size"]),
    ("  - {figure: retained, at_most: [4, 5]}", 7, ["at_most must be a text, not a list"]),
    ("  - {figure: retained, at_most: }", 7, ["at_most has no value"]),
    ("  - {figure: retained, at_most: 4, at_least: 5}", 7, ["at_least is more than at_most"]),
    ("  - {figure: retained, at_most: 4, within: 0%}", 7, ["at_most stands beside within"]),
    ("  - {figure: retained, within: x%}", 7, ["within must be a number of 0 or more", "\"x\""]),
    ("  - {figure: retained, within: -1%}", 7, ["within must be a number of 0 or more"]),
    ("  - {figure: retained, within: 1001%}", 7, ["at most 1000%"]),
    ("  - {figure: retained, at_most: baseline * 2}", 7, ["is no limit", "baseline + 2%"]),
    ("  - {figure: retained, at_most: baseline +}", 7, ["is no limit"]),
    ("  - {figure: gradient_error, at_most: 4KiB}", 7, ["must be a number of 0 or more"]),
    ("  - {figure: gradient_error, at_most: nan}", 7, ["must be a number of 0 or more"]),
    ("  - {figure: gradient_error, at_most: baseline + 4KiB}", 7, ["a number of 0 or more"]),
    ("  - {figure: gradient_error, relative_to: full-graph, at_most: 1}", 7, ["already"]),
    ("  - {figure: peak, relative_to: full, at_most: 1}", 7, ["did you mean \"full-graph\""]),
    ("  - {figure: peak, relative_to: full-graph, within: 1KiB}", 7, ["a number of 0 or more"]),
    ("  - {figure: peak, at_most: 1, n_c: 5}", 7, ["about none of the profile's points"]),
    ("  - {figure: peak, at_most: 1, n_c: x}", 7, ["n_c must be a whole number"]),
    ("  - {figure: peak, at_most: 1, mode: full}", 7, ["did you mean \"full-graph\""]),
    ("  - {figure: peak, at_most: 1}\n  - {figure: peak}", 8, ["no at_most"]),
  ]

  @Test(arguments: bad.indices)
  func `what a budget cannot say is one sentence with its line`(index: Int) throws {
    let bad = Self.bad[index]
    let error = try #require(throws: ProfileError.self) { _ = try budgets(bad.text) }
    #expect(error.line == bad.line, "\(error)")
    for part in bad.parts { #expect(error.sentence.contains(part), "\(error)") }
    #expect(!error.description.contains("\n") && error.description.utf8.count < 500)
  }

  @Test func `a ratio needs the point that counts as 1, and a point that is another`() throws {
    func check(_ text: String) throws {
      _ = try BudgetCheck(
        profile: Profile(text: text, file: "x.yaml"), file: "x.yaml", backend: nil, engine: .cpu,
        limit: MemoryLimit(given: nil))
    }
    let ratio = "budgets:\n- {figure: peak, relative_to: pruned-graph, at_most: 1}"
    #expect(
      throws: ProfileError(
        file: "x.yaml", line: 5, "the profile has no point in pruned-graph to compare with")
    ) { try check("model: seed\nn_c: 4\nn_g: 4\n" + ratio) }
    #expect(
      throws: ProfileError(
        file: "x.yaml", line: 6,
        "the budget compares peak / pruned-graph with itself alone")
    ) { try check("model: seed\nn_c: 4\nn_g: 4\nmode: pruned-graph\n" + ratio) }
    #expect(throws: ProfileError.self) { try check("model: seed\nn_c: 4\nn_g: 4") }
  }
}
