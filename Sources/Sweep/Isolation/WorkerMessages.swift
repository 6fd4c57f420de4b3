import Measurement
import Profiles

/// What a worker is told first: the sweep, whose points are then named by their place in it.
struct WorkerSetup: Codable, Sendable {
  let source: ProfileSource
  let limits: PointLimits
}

/// What a worker says when it has read the profile, or why it could not.
struct WorkerGreeting: Codable, Sendable {
  /// Of the points as the worker resolved them, which must be those of the sweep.
  var digest: String?
  var error: String?
}

/// One point to run.
struct WorkerRequest: Codable, Sendable {
  let index: Int
  /// Whether the point is only to be counted on shapes, since running it has ended a worker.
  let isPrediction: Bool
}

/// The rows of a point that was run.
struct WorkerReply: Codable, Sendable {
  let index: Int
  let rows: PointRows
}
