import Foundation
import TestSupport
import Testing

/// Which exact gradient a detached prefix is held against.
@Suite struct ReferenceWorkTests {
  /// One layer's keys and values need no attention, so that detaching and replaying take work that
  /// is linear in the prefix, and `full-graph` quadratic.
  @Test(arguments: [(256, "full-graph"), (8192, "replayed-prefix")])
  func `a hundred times a point's products are not spent on its reference`(
    nC: Int, reference: String
  ) throws {
    let result = try Program.run([
      "measure", "--model", "seed", "--layers", "1", "--d-model", "4", "--heads", "1", "--kv-heads",
      "1", "--d-head", "64", "--d-ff", "4", "--vocab", "8", "--n-c", "\(nC)", "--n-g", "2",
      "--mode", "detached-prefix", "--format", "json",
    ])
    #expect(result.status == 0, "\(result.sentence ?? "")")
    #expect(result.output.contains("\"gradient_reference\": \"\(reference)\""), "\(result.output)")
  }
}
