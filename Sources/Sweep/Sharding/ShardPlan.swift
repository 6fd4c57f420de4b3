package import Measurement
import Retention

/// Which points of a profile each shard runs: the same on every machine, and balanced.
///
/// From the longest to the shortest, each piece of work goes where it would end soonest (Graham's
/// longest-processing-time rule, 1969), exact gradients that a shard does not have yet included; of
/// equals the first in the profile goes to the first shard. Pieces are the points that are compared
/// with the same exact gradients, if they are no more than a shard's even share; or single points,
/// where the longest shard is then shorter.
package struct ShardPlan: Sendable {
  /// The places of each shard's points in the profile, in its order.
  package private(set) var parts: [[Int]]
  /// The predicted seconds of each shard, on a nominal machine.
  package private(set) var seconds: [Double]

  /// Points that go to one shard.
  private struct Piece {
    let indices: [Int]
    /// Their place among all batches.
    let batch: Int
    let seconds: Double
    /// What their exact gradients take where no point of the shard gives them; 0 if none is needed.
    let reference: Double
    /// Whether one of the points has the exact gradients that the others need.
    let isReference: Bool
  }

  /// Divides points among `shards`.
  package init(of points: [PlannedPoint], shards: Int) {
    precondition(shards > 0, "a profile is divided among one shard or more")
    var costs = PredictedCost()
    let together = ShardPlan(
      Self.pieces(of: points, shards: shards, keepsBatches: true, &costs), shards)
    let apart = ShardPlan(
      Self.pieces(of: points, shards: shards, keepsBatches: false, &costs), shards)
    self = apart.longest < together.longest ? apart : together
  }

  private var longest: Double { seconds.max() ?? 0 }

  private init(_ pieces: [Piece], _ shards: Int) {
    parts = Array(repeating: [], count: shards)
    seconds = Array(repeating: 0, count: shards)
    // The batches of whose exact gradients a shard has a use, and those which it has.
    var wanting = Array(repeating: Set<Int>(), count: shards)
    var having = Array(repeating: Set<Int>(), count: shards)
    func addition(of piece: Piece, to shard: Int) -> Double {
      let hadReference = having[shard].contains(piece.batch)
      let wasWanted = wanting[shard].contains(piece.batch)
      if piece.reference > 0 && !piece.isReference && !hadReference && !wasWanted {
        return piece.seconds + piece.reference
      }
      return piece.seconds
    }
    for piece in pieces {
      var best = (shard: 0, end: Double.infinity)
      // More shards than pieces stay empty at the end.
      for shard in 0..<min(shards, pieces.count) {
        let end = seconds[shard] + addition(of: piece, to: shard)
        if end < best.end { best = (shard, end) }
      }
      seconds[best.shard] = best.end
      parts[best.shard] += piece.indices
      if piece.isReference { having[best.shard].insert(piece.batch) }
      if piece.reference > 0 { wanting[best.shard].insert(piece.batch) }
    }
    for shard in parts.indices { parts[shard].sort() }
  }

  /// Batches, longest first; one beyond an even share falls into its points, or each does.
  private static func pieces(
    of points: [PlannedPoint], shards: Int, keepsBatches: Bool, _ costs: inout PredictedCost
  ) -> [Piece] {
    func piece(_ indices: [Int], _ batch: Int) -> Piece {
      Piece(
        indices: indices, batch: batch,
        seconds: indices.reduce(0) { $0 + costs.seconds(of: points[$1].point) },
        reference: indices.map { costs.referenceSeconds(of: points[$0].point) }.max() ?? 0,
        isReference: indices.contains { points[$0].point.isGradientReference })
    }
    let batches = PointQueue.batches(of: points, Array(points.indices))
      .enumerated().map { piece($1, $0) }
    func whole(_ piece: Piece) -> Double {
      piece.seconds + (piece.isReference ? 0 : piece.reference)
    }
    let share = batches.reduce(0) { $0 + whole($1) } / Double(shards)
    let pieces = batches.flatMap { batch in
      keepsBatches && whole(batch) <= share
        ? [batch] : batch.indices.map { piece([$0], batch.batch) }
    }
    // Sorting is stable: what comes first in the profile stays first among equals.
    return pieces.sorted { whole($0) > whole($1) }
  }

  /// One line about a shard and how it compares with the others.
  package func summary(of shard: Shard) -> String {
    let total = seconds.reduce(0, +)
    func percent(_ seconds: Double) -> String {
      total > 0 ? "\(Int((100 * seconds / total).rounded())) %" : "0 %"
    }
    let count = parts.reduce(0) { $0 + $1.count }
    let own = parts[shard.index - 1].count
    guard own > 0 else {
      return "shard \(shard) has no point, since the profile has only \(count); nothing is measured"
    }
    return "shard \(shard) has \(own) of \(count) points and \(percent(seconds[shard.index - 1])) "
      + "of the predicted work; the longest shard has \(percent(longest))"
  }
}
