import Foundation
import Measurement
import Profiles
import Reporting
import Retention
import Sweep
import TestSupport
import Testing

/// Workers of bash and Perl that end in every way a process can, in the place of the program.
@Suite struct IsolationTests {
  private let folder = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"
  private static let profile = "model: seed\nn_c: 4\nn_g: 3\nseed: [0, 1]\n"

  /// A sweep of two points whose workers greet, take a request and then do this.
  private func sweep(
    _ script: String, limit: Int? = nil, executable: String = "/bin/bash", digest: String? = nil
  ) throws -> SweepSummary {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let profile = try Profile(text: Self.profile, file: "p.yaml")
    let greeting = "read s; echo '{\"digest\":\"\(digest ?? profile.digest)\"}'; read r; "
    let command = WorkerCommand(
      executable: executable, arguments: ["bash", "-c", greeting + script])
    return try SweepRun(
      profile: profile,
      store: ResultsStore(directory: folder, of: profile, memory: limit, opening: .refuse),
      engine: .cpu, limit: MemoryLimit(given: limit), execution: .workers(command, jobs: 1)
    ).run()
  }

  static let ends: [(String, PointStatus, String)] = [
    (
      "echo 'x/y.swift:3: Fatal error: no such luck' >&2; kill -SEGV $$", .failed,
      "the point's process crashed (SIGSEGV): x/y.swift:3: Fatal error: no such luck"
    ),
    ("kill -ILL $$", .failed, "the point's process crashed (SIGILL)"),
    (
      "kill -KILL $$", .failed,
      "the point's process was killed (SIGKILL); --resume measures the point again"
    ),
    ("echo one >&2; echo two >&2; exit 3", .failed, "the point's process ended with status 3: two"),
    ("printf '{\"index\":'; exit 0", .failed, "the point's process ended with status 0"),
    (
      "printf 'terminate: std::bad_alloc\\n\\n' >&2; kill -ABRT $$", .outOfMemory,
      "the system refused memory to the point's process (SIGABRT): terminate: std::bad_alloc"
    ),
  ]

  @Test(arguments: ends)
  func `a worker that ends is its point's row, and the sweep goes on`(
    script: String, status: PointStatus, sentence: String
  ) throws {
    let records = try sweep(script).records
    #expect(records.map(\.status) == [status, status])
    #expect(records.map(\.error) == [sentence, sentence])
    #expect(records.map(\.point.seed) == [0, 1])
  }

  @Test func `a worker that outgrows the limit is stopped`() throws {
    let start = ContinuousClock.now
    let records = try sweep(
      "exec perl -e '$x = \"x\" x 400_000_000; sleep 100'", limit: 64 << 20
    ).records
    #expect(records.map(\.status) == [.overLimit, .overLimit])
    let error = records[0].error ?? ""
    #expect(error.contains("more than the 336.00 MiB that the limit of 67108864 B"), "\(error)")
    #expect(ContinuousClock.now - start < .seconds(60))
  }

  @Test func `a worker below the limit is left alone`() throws {
    let records = try sweep(
      "exec perl -e '$x = \"x\" x 100_000_000; select undef, undef, undef, 0.2; exit 7'",
      limit: 64 << 20
    ).records
    #expect(records[1].error == "the point's process ended with status 7")
  }

  @Test func `a worker that closes its pipes and lives is ended`() throws {
    let records = try sweep("exec >&- 2>&-; exec sleep 1000").records
    #expect(records.map(\.status) == [.failed, .failed])
  }

  @Test func `a worker of another sweep runs nothing`() throws {
    let error = #expect(throws: SweepError.self) { try sweep("exit 0", digest: "0") }
    #expect(error?.description.contains("has changed while the sweep ran") == true)
  }

  @Test func `a worker that cannot start ends the sweep`() throws {
    let error = #expect(throws: SweepError.self) {
      try sweep("exit 0", executable: "/nowhere/ballast")
    }
    #expect(error?.description.hasPrefix("cannot start a worker process: no such file") == true)
    #expect(error?.description.contains("0 of 2 points are kept") == true)
  }
}
