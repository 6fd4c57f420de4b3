import Testing

/// How threads wait that have nothing to do, as libgomp says when the program has started.
@Suite struct `Threads that wait` {
  /// libgomp's own count is 300000, some 3 to 15 ms.
  @Test(arguments: [["measure"], ["flow"]])
  func `spin for microseconds`(command: [String]) throws {
    #expect(try lastCount(command, [:]) == "1000")
  }

  @Test(arguments: [
    ("OMP_WAIT_POLICY", "active", "30000000000"), ("OMP_WAIT_POLICY", "passive", "0"),
    ("GOMP_SPINCOUNT", "77", "77"),
  ])
  func `do as the user has set`(name: String, value: String, count: String) throws {
    #expect(try lastCount(["measure"], [name: value]) == count)
  }

  /// The count that the last start of the program spins; the tests may have been started with one.
  private func lastCount(_ command: [String], _ settings: [String: String]) throws -> String? {
    let display = ["OMP_DISPLAY_ENV": "verbose"].merging(settings) { $1 }
    let result = try Program(
      command + ["--model", "seed", "--n-c", "4", "--n-g", "4"], environment: display,
      without: ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]
    ).result()
    #expect(result.status == 0)
    let lines = result.errors.split(separator: "\n").filter { $0.contains("GOMP_SPINCOUNT") }
    return lines.last?.split(separator: "'").dropFirst().first.map(String.init)
  }
}
