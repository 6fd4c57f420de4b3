import Ledger
import Measurement
import Reporting
import Retention
import Synchronization
import Tensors
import Testing
import Transformer

/// The runner's own checks, each against an engine that gives it cause.
@Suite(.serialized) struct RunnerChecksTests {
  private static let planned = PlannedPoint(
    point: Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 2, dModel: 16, heads: 2, dFF: 24, vocab: 11),
      nC: 9, nG: 4))

  private static func record(
    _ engine: Engine, limit: Int? = nil, _ planned: PlannedPoint = Self.planned
  ) -> PointRecord {
    PointRunner(engine: engine, limit: limit, points: [planned]).run(planned, profile: nil).record
  }

  @Test func `an engine that tells the truth fails nothing`() {
    let record = Self.record(.cpu)
    #expect(record.status == .ok, "\(record.error ?? "")")
  }

  // MARK: A3

  @Test func `another size class in the prediction is a failed point`() throws {
    var engine = Engine.cpu
    engine.sizeClass = { Engine.cpu.sizeClass($0) + 16 }
    let record = Self.record(engine)
    let measured = try #require(Self.record(.cpu).retainedAllocatedBytes)
    let saved = try #require(record.savedTensors)
    #expect(record.status == .failed)
    #expect(
      record.error == "retained allocated bytes: \(measured) measured, "
        + "\(measured + 16 * saved) predicted; this is a bug")
  }

  // MARK: A2 and A4

  /// The CPU's engine, whose allocator reports `excess` more bytes at its call number `call`.
  private final class Liar: Sendable {
    private let calls = Mutex(0)
    private let call: Int
    private let excess: Int

    init(call: Int, excess: Int) {
      self.call = call
      self.excess = excess
    }

    var engine: Engine {
      var engine = Engine.cpu
      engine.makeMachine = { [self] threads in
        let machine = try Engine.cpu.makeMachine(threads)
        return Machine(backend: machine.backend) { [self] category in
          let truth = try machine.allocatedBytes?(category) ?? 0
          let number = calls.withLock { count in
            count += 1
            return count
          }
          return number == call ? truth + excess : truth
        }
      }
      return engine
    }
  }

  @Test func `bytes that are left after the step are a failed point`() {
    let record = Self.record(Liar(call: 2, excess: 64).engine)
    #expect(record.status == .failed)
    #expect(
      record.error == "64 bytes of activations are still allocated after the step; this is a bug")
  }

  @Test(arguments: [-16, 16])
  func `an allocator that disagrees at the boundary is a failed point`(excess: Int) throws {
    let retained = try #require(Self.record(.cpu).retainedAllocatedBytes)
    let held = retained + Engine.cpu.sizeClass(4)  // and the loss
    let record = Self.record(Liar(call: 1, excess: excess).engine)
    #expect(record.status == .failed)
    #expect(
      record.error == "the allocator reports \(held + excess) bytes of activations "
        + "at the boundary, the ledger \(held); this is a bug")
  }

  // MARK: The limit

  private struct Stop: Error, CustomStringConvertible {
    let description = "a backend was asked for"
  }

  /// Whether a point gets as far as its backend under a limit.
  private static func reachesBackend(_ planned: PlannedPoint, limit: Int?) -> Bool {
    let counter = Counter()
    var engine = Engine.cpu
    engine.makeMachine = { _ in
      counter.calls.withLock { $0 += 1 }
      throw Stop()
    }
    let record = Self.record(engine, limit: limit, planned)
    let count = counter.calls.withLock { $0 }
    #expect(record.status == (count == 0 ? .overLimit : .failed), "\(record.error ?? "")")
    #expect(count <= 1 && (count == 0) != (record.error == "\(Stop())"))
    return count == 1
  }

  private final class Counter: Sendable {
    let calls = Mutex(0)
  }

  /// Once the parameters are the most of it, and twice the activations.
  @Test(arguments: [(4000, 1, 1), (11, 60, 20), (11, 600, 4)])
  func `a limit is the sum of all that the step is predicted to hold`(
    vocab: Int, nC: Int, nG: Int
  ) throws {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 2, dModel: 16, heads: 2, dFF: 24, vocab: vocab),
      nC: nC, nG: nG)
    point.attention = .materialized
    let planned = PlannedPoint(point: point)
    let result = try Predictor(engine: .cpu).predict(point)
    let needed = result.peakAllocatedBytes
    #expect(
      needed >= result.parameterBytes + max(result.gradientBytes, result.peakBytes), "all at once")
    #expect(Self.reachesBackend(planned, limit: nil))
    #expect(Self.reachesBackend(planned, limit: needed))
    #expect(!Self.reachesBackend(planned, limit: needed - 1))
    #expect(!Self.reachesBackend(planned, limit: result.parameterBytes - 1))
  }
}
