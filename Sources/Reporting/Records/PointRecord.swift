package import Ledger
package import Retention

/// How a point ended.
package enum PointStatus: String, Sendable {
  case ok
  /// The system refused memory during the step.
  case outOfMemory = "out-of-memory"
  /// The step would need more than the limit, or did.
  case overLimit = "over-limit"
  /// Something else went wrong, a disagreement of ledger and allocator included.
  case failed
}

/// A row of `points.csv`: a point, how it ended, and every figure that was taken.
package struct PointRecord: Sendable {
  /// The version of the row's layout.
  package static let schema = 1

  /// The profile's name; nil for a single measurement.
  package var profile: String?
  package var point: Point
  /// Which repetition of the point this is, from 1.
  package var repetition: Int
  package var status = PointStatus.ok
  /// One sentence; nil when the status is `ok`.
  package var error: String?

  package var loss: Double?
  package var savedTensors: Int?
  /// Retained bytes by region.
  package var retained: RegionBytes?
  package var retainedAllocatedBytes: Int?
  package var predictedRetainedBytes: Int?
  package var predictedAllocatedBytes: Int?
  package var peakForwardBytes: Int?
  package var peakBackwardBytes: Int?
  package var predictedPeakBytes: Int?
  package var predictedWorkspaceBytes: Int?
  package var workspacePeakBytes: Int?
  package var parameterBytes: Int?
  package var gradientBytes: Int?
  /// The most resident memory of the whole process during the step (`VmHWM`).
  package var processPeakRSSBytes: Int?
  package var optimizerBytes: Int?
  /// What PyTorch's allocator had handed out at its peak, all that stands included, by phase.
  package var peakAllocatedForwardBytes: Int?
  package var peakAllocatedBackwardBytes: Int?
  package var peakAllocatedOptimizerBytes: Int?
  /// The same over the whole recording.
  package var peakAllocatedBytes: Int?
  /// What it had taken of the device at its peak, in the worst of several orders of addresses.
  package var peakReservedBytes: Int?
  package var matmulFlops: Int128?
  package var forwardSeconds: Double?
  package var backwardSeconds: Double?
  /// Relative L2 distance to the exact gradient, over all parameters together.
  package var gradientRelativeError: Double?
  /// Cosine with the exact gradient, over all parameters together.
  package var gradientCosine: Double?
  /// The mode that gave the exact gradient; nil where there is none.
  package var gradientReference: ModeName?
  package var version: String
  /// ISO 8601, UTC.
  package var startedAt: String

  package init(
    profile: String?, point: Point, repetition: Int, version: String, startedAt: String
  ) {
    (self.profile, self.point, self.repetition) = (profile, point, repetition)
    (self.version, self.startedAt) = (version, startedAt)
  }

  /// The most activation bytes alive at once in the step.
  package var peakBytes: Int? {
    guard let peakForwardBytes, let peakBackwardBytes else { return nil }
    return max(peakForwardBytes, peakBackwardBytes)
  }

  /// The most activation bytes, and the most workspace: what a step takes beside parameters and
  /// gradients. Of shapes it is what is predicted, oneDNN's own scratch left out.
  package var peakWithWorkspaceBytes: Int? {
    guard let peakBytes, let workspace = workspacePeakBytes ?? predictedWorkspaceBytes else {
      return nil
    }
    return peakBytes + workspace
  }

  /// Forward and backward together; nil where they were not timed.
  package var stepSeconds: Double? {
    guard let forwardSeconds, let backwardSeconds else { return nil }
    return forwardSeconds + backwardSeconds
  }
}

extension PointRecord: Record {
  package static let columns: [Column<PointRecord>] =
    (PointAxis.all.map { $0.column.of(\.point) } + figures).arranged(
      """
      schema profile model layers d_model heads kv_heads d_head d_ff vocab dtype attention head
      recompute loss_rows mode keep_prefix chunk backend threads batch n_c n_g seed repeat status
      error loss saved_tensors retained_bytes retained_prefix_bytes retained_generated_bytes
      retained_crossing_bytes retained_shared_bytes retained_allocated_bytes
      predicted_retained_bytes predicted_allocated_bytes peak_bytes peak_forward_bytes
      peak_backward_bytes predicted_peak_bytes workspace_peak_bytes parameter_bytes gradient_bytes
      process_peak_rss_bytes matmul_flops forward_seconds backward_seconds gradient_relative_error
      gradient_cosine version started_at trainable dropout recipe kv_gradients gradient_reference
      predicted_workspace_bytes optimizer optimizer_bytes adapter lora suffixes sharing
      suffixes_at_a_time lengths layout retained_padding_bytes
      """)

  /// What is not an axis; a new figure comes last.
  private static let figures: [Column<PointRecord>] =
    [
      Column("schema") { _ in .integer(schema) },
      Column("profile") { .text(orEmpty: $0.profile) },
      Column("repeat") { .integer($0.repetition) },
      Column("status") { .text($0.status.rawValue) },
      Column("error") { .text(orEmpty: $0.error) },
      Column("version") { .text($0.version) },
      Column("started_at") { .text($0.startedAt) },
      Column("gradient_reference") { .text(orEmpty: $0.gradientReference?.rawValue) },
    ] + PointFigure.all.map(\.column)
}
