import Ledger
import Measurement
import Profiles
import Reporting
import Retention
import Testing

/// The real thing: jemalloc, oneDNN, and everything that is held against them.
@Suite(.serialized) struct MeasurementTests {
  private func records(_ text: String, limit: Int? = nil) throws -> [PointRecord] {
    let points = try Profile(text: "model: seed\nn_g: 5\n" + text, file: "p.yaml").points
    let runner = PointRunner(engine: .cpu, limit: limit, points: points)
    return points.map { runner.run($0, profile: "p").record }
  }

  @Test(arguments: ["materialized", "fused"], ["next-token", "generated"])
  func `what is measured is what was predicted, and the losses are equal`(
    attention: String, lossRows: String
  ) throws {
    let records = try records(
      "n_c: [1, 9]\nmode: [full-graph, detached-prefix]\nattention: \(attention)\n"
        + "loss_rows: \(lossRows)\nbatch: 2\nthreads: 1")
    for record in records {
      #expect(record.status == .ok, "\(record.error ?? "")")
      #expect(record.retained?.total == record.predictedRetainedBytes)
      #expect(record.retainedAllocatedBytes == record.predictedAllocatedBytes)
      #expect(record.peakBytes == record.predictedPeakBytes)
      #expect((record.forwardSeconds ?? 0) > 0 && (record.processPeakRSSBytes ?? 1) > 0)
    }
    #expect(records[0].loss == records[1].loss && records[2].loss == records[3].loss)
    #expect(records[2].gradientRelativeError == 0 && records[2].gradientCosine == 1)
    let error = try #require(records[3].gradientRelativeError)
    #expect(error > 0.01 && error < 1)
    let laws = SeriesLaws(of: records, engine: .cpu)
    #expect(laws.disagreements.isEmpty && laws.records.count == 2)
  }

  @Test func `a biased mode is compared with full-graph though no point asks for it`() throws {
    let alone = try records("n_c: 9\nmode: detached-prefix\nthreads: 1")
    let beside = try records("n_c: 9\nmode: [full-graph, detached-prefix]\nthreads: 1")
    #expect(alone[0].gradientRelativeError != nil)
    #expect(alone[0].gradientRelativeError == beside[1].gradientRelativeError)
    #expect(alone[0].gradientCosine == beside[1].gradientCosine)
  }

  @Test func `a prefix that stays in the graph costs no gradient error`() throws {
    let records = try records("n_c: 9\nmode: detached-prefix\nkeep_prefix: [0, 4, 9]\nthreads: 1")
    let errors = records.compactMap(\.gradientRelativeError)
    #expect(errors.count == 3 && errors[0] > errors[1] && errors[1] > errors[2])
    #expect(errors[2] < 1e-6)
  }

  @Test func `on shapes nothing is computed, and figures that need it are empty`() throws {
    let record = try records("n_c: 9\nbackend: shape\nmode: detached-prefix")[0]
    #expect(record.status == .ok && record.retained != nil && record.matmulFlops != nil)
    #expect(record.loss == nil && record.forwardSeconds == nil && record.backwardSeconds == nil)
    #expect(record.gradientRelativeError == nil && record.workspacePeakBytes == nil)
    #expect(record.processPeakRSSBytes == nil)
  }
}
