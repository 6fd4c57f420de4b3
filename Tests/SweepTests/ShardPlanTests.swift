import Measurement
import Profiles
import Retention
import Spelling
import Sweep
import TestSupport
import Testing
import Values

/// How a profile is divided: completely, evenly, and the same everywhere.
@Suite struct ShardPlanTests {
  @Test(arguments: [
    ("", "is not I/N"), ("3", "is not I/N"), ("a/b", "is not I/N"), ("1/", "is not I/N"),
    ("/3", "is not I/N"), ("1/3/4", "is not I/N"), ("-1/3", "is not I/N"), ("+1/3", "is not I/N"),
    (" 1/3", "is not I/N"), ("1/99999999999999999999", "is not I/N"), ("１/３", "is not I/N"),
    ("0/3", "I must be 1 to 3, not 0"), ("4/3", "I must be 1 to 3, not 4"),
    ("1/0", "N must be 1 to 1000, not 0"), ("1/1001", "N must be 1 to 1000, not 1001"),
  ])
  func `a part that is none is refused`(text: String, part: String) {
    let error = #expect(throws: ValueError.self) { try Shard(text, for: "shard") }
    #expect(error?.description.contains(part) == true, "\(String(describing: error))")
  }

  private func points(_ text: String) throws -> [PlannedPoint] {
    try Profile(text: "model: seed\n" + text, file: "p.yaml").points
  }

  /// A profile of random axes, with and without a `full-graph` point beside the others.
  private func randomPoints(_ generator: inout SystemRandomNumberGenerator) throws -> [PlannedPoint]
  {
    func some<Value>(_ values: [Value], _ most: Int) -> String {
      let count = Int.random(in: 1...most, using: &generator)
      return values.shuffled(using: &generator).prefix(count).map { "\($0)" }.joined(
        separator: ", ")
    }
    let modes = ["full-graph", "pruned-graph", "detached-prefix", "replayed-prefix"]
    return try points(
      """
      n_c: [\(some(Array(1...200), 6))]
      n_g: [\(some(Array(1...64), 2))]
      layers: [\(some([1, 2, 3], 2))]
      mode: [\(some(modes, 4))]
      threads: [\(some([1, 2], 2))]
      repeat: \(Int.random(in: 1...2, using: &generator))
      """)
  }

  @Test func `every point is in one shard, and no shard is far beyond an even share`() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in randomCases(60) {
      let points = try randomPoints(&generator)
      let shards = Int.random(in: 1...9, using: &generator)
      let plan = ShardPlan(of: points, shards: shards)
      #expect(plan.parts.count == shards && plan.seconds.count == shards)
      #expect(plan.parts.joined().sorted() == Array(points.indices))
      #expect(plan.parts.allSatisfy { $0 == $0.sorted() })
      #expect(ShardPlan(of: points, shards: shards).parts == plan.parts)
      // A piece goes to the least loaded shard, or ends sooner elsewhere: Graham's bound.
      var costs = PredictedCost()
      let own = points.map { costs.seconds(of: $0.point) }
      let most = zip(points, own).map { costs.referenceSeconds(of: $0.point) + $1 }
      let longest = plan.seconds.max() ?? 0
      let bound = most.reduce(0, +) / Double(shards) + (most.max() ?? 0)
      #expect(longest <= bound * (1 + 1e-9))
      #expect(longest >= own.reduce(0, +) / Double(shards) * (1 - 1e-9))
      // What is predicted of a shard is what its points take.
      for (part, seconds) in zip(plan.parts, plan.seconds) {
        let sum = part.reduce(0) { $0 + own[$1] }
        let withAll = part.reduce(0) { $0 + most[$1] }
        #expect(seconds >= sum * (1 - 1e-9) && seconds <= withAll * (1 + 1e-9))
      }
    }
  }

  @Test func `without exact gradients to share it is within Graham's ratio of the best division`()
    throws
  {
    for lengths in [
      [1, 2, 3, 4, 5, 6, 7], [200, 8, 90, 100, 3, 150, 40], [64, 60, 50, 44, 32, 30, 9],
    ] {
      let points = try points("n_c: \(lengths)\nn_g: 2\nlayers: 3\nthreads: 1")
      var costs = PredictedCost()
      let seconds = points.map { costs.seconds(of: $0.point) }
      var best = Double.infinity
      for code in 0..<2187 {
        var loads = [0.0, 0.0, 0.0]
        var rest = code
        for second in seconds {
          loads[rest % 3] += second
          rest /= 3
        }
        best = min(best, loads.max() ?? 0)
      }
      let longest = ShardPlan(of: points, shards: 3).seconds.max() ?? 0
      #expect(longest >= best * (1 - 1e-9) && longest <= best * (4.0 / 3 - 1.0 / 9) * (1 + 1e-9))
    }
  }

  @Test func `points with the same exact gradients stay together`() throws {
    let points = try points(
      "n_c: 9\nn_g: 3\nseed: [1, 2, 3, 4, 5, 6]\nmode: [full-graph, detached-prefix, replayed-prefix]"
    )
    let plan = ShardPlan(of: points, shards: 3)
    for part in plan.parts {
      #expect(part.count == 6)
      #expect(Set(part.map { points[$0].point.seed }).count == 2)
    }
  }

  @Test func `one batch is divided, since its shards would stay empty`() throws {
    let points = try points("n_c: 400\nn_g: 3\nmode: [full-graph, detached-prefix, pruned-graph]")
    let plan = ShardPlan(of: points, shards: 3)
    #expect(plan.parts.allSatisfy { $0.count == 1 })
    // Two of the shards compute the exact gradients for themselves.
    var costs = PredictedCost()
    let expected = plan.parts.map { part in
      let point = points[part[0]].point
      return costs.seconds(of: point) + costs.referenceSeconds(of: point)
    }
    #expect(plan.seconds == expected)
  }

  @Test func `more shards than points leave some empty`() throws {
    let points = try points("n_c: [1, 2]\nn_g: 2")
    let plan = ShardPlan(of: points, shards: 1000)
    #expect(plan.parts.filter { !$0.isEmpty }.count == 2 && plan.parts[999].isEmpty)
    #expect(try plan.summary(of: Shard("1000/1000", for: "shard")).contains("has no point"))
    #expect(try plan.summary(of: Shard("1/1000", for: "shard")).contains("1 of 2 points"))
  }

  @Test func `longer, deeper and trained points cost more, and threads make them cost less`() throws
  {
    var costs = PredictedCost()
    func seconds(_ text: String) throws -> Double {
      costs.seconds(of: try #require(try points(text).first).point)
    }
    let plain = try seconds("n_c: 100\nn_g: 9\nthreads: 1")
    #expect(try seconds("n_c: 200\nn_g: 9\nthreads: 1") > plain)
    #expect(try seconds("n_c: 100\nn_g: 9\nthreads: 1\nlayers: 2") > plain)
    #expect(try seconds("n_c: 100\nn_g: 9\nthreads: 2") < plain)
    #expect(try seconds("n_c: 100\nn_g: 9\nthreads: 1\nbackend: shape") < plain)
    #expect(try seconds("n_c: 100\nn_g: 9\nthreads: 1\ntrainable: nothing") < plain)
  }
}
