import Foundation
import TestSupport
import Testing

/// Sweeps whose processes are killed at random moments, and what resuming makes of them.
@Suite(.serialized) struct KillTests {
  /// 40 points of a few milliseconds each.
  private static let profile = """
    model: seed
    n_c: {from: 1, to: 20, step: 1}
    n_g: 4
    mode: [full-graph, detached-prefix]
    threads: 1
    """
  private static func text(_ path: String) -> String { SweepFigures.text(path) }

  /// The rows that have figures, as they are, times included.
  private static func measured(in folder: String) -> Set<Substring> {
    Set(text("\(folder)/points.csv").split(separator: "\n").filter { $0.contains(",ok,") })
  }

  /// The worker of a sweep; nil while it has none.
  private static func worker(of sweep: pid_t) -> pid_t? {
    text("/proc/\(sweep)/task/\(sweep)/children").split(separator: " ").first.flatMap { pid_t($0) }
  }

  private static func isRunning(_ process: pid_t) -> Bool {
    let state = text("/proc/\(process)/stat").split(separator: ")").last?.first { $0 != " " }
    return state != nil && state != "Z" && state != "X"
  }

  @Test func `a sweep killed at 50 random moments ends as an undisturbed one`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let sweep = ["sweep", profile, "--resume", "--output"]
    let undisturbed = try Program.run(sweep + [folder.path + "/whole"])
    #expect(undisturbed.status == 0 && undisturbed.errors.isEmpty, "\(undisturbed.errors)")
    let expected = SweepFigures.untimed(in: folder.path + "/whole")
    #expect(expected.count == 44)

    var kills = (sweeps: 0, workers: 0)
    var round = 0
    while kills.sweeps < 25 || kills.workers < 25 {
      round += 1
      try #require(round <= 40, "too few kills met a running process: \(kills)")
      let output = "\(folder.path)/\(round)"
      var isDone = false
      var attempt = 0
      while !isDone {
        attempt += 1
        let before = Self.measured(in: output)
        let program = try Program(sweep + [output])
        let process = program.process.processIdentifier
        // A sweep that is killed in its first moments each time would never end.
        while attempt <= 8, program.process.isRunning {
          usleep(UInt32.random(in: 0...120_000))
          guard program.process.isRunning else { break }
          let worker = Self.worker(of: process)
          if Bool.random(), let worker {
            kill(worker, SIGKILL)
            kills.workers += 1
          } else if Bool.random() {
            kill(process, SIGKILL)
            kills.sweeps += 1
            if let worker {
              for _ in 0..<200 where Self.isRunning(worker) { usleep(10_000) }
              #expect(!Self.isRunning(worker), "the worker outlived its sweep")
            }
            break
          }
        }
        let result = try program.result()
        #expect([0, 1, -SIGKILL].contains(result.status), "\(result.errors)")
        if result.status == 1 {
          #expect(result.errors.contains("was killed (SIGKILL)"), "\(result.errors)")
        }
        #expect(before.isSubset(of: Self.measured(in: output)) || result.status == -SIGKILL)
        isDone = result.status == 0
        try #require(attempt < 30)
      }
      #expect(SweepFigures.untimed(in: output) == expected)
    }
  }

  @Test func `a worker dies with its sweep in the middle of a long point`() throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml", "model: one-layer\nn_c: 30000\nn_g: 16\nthreads: 1\ntimings: false\n")
    let program = try Program(["sweep", profile, "--output", folder.path + "/out"])
    let process = program.process.processIdentifier
    var worker: pid_t?
    while worker == nil, program.process.isRunning {
      worker = Self.worker(of: process)
      usleep(1000)
    }
    usleep(400_000)
    kill(process, SIGKILL)
    #expect(try program.result().status == -SIGKILL)
    let orphan = try #require(worker)
    for _ in 0..<100 where Self.isRunning(orphan) { usleep(10_000) }
    #expect(!Self.isRunning(orphan))
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func `a signal to all processes of a job is the sweep's to answer`(signal: Int32) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let program = try Program(["sweep", profile, "--output", folder.path + "/out"])
    while program.process.isRunning {
      if let worker = Self.worker(of: program.process.processIdentifier) { kill(worker, signal) }
      usleep(2_000)
    }
    let result = try program.result()
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
  }

  @Test func `what was measured before a kill is not measured again`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let output = folder.path + "/out"
    let program = try Program(["sweep", profile, "--output", output])
    while Self.measured(in: output).count < 10, program.process.isRunning { usleep(5_000) }
    kill(program.process.processIdentifier, SIGKILL)
    #expect(try program.result().status == -SIGKILL)
    let before = Self.measured(in: output)
    #expect(before.count >= 9)
    let refused = try Program.run(["sweep", profile, "--output", output])
    #expect(refused.status == 1 && refused.sentence?.contains("--resume") == true)
    #expect(try Program.run(["sweep", profile, "--output", output, "--resume"]).status == 0)
    let after = Self.measured(in: output)
    // A last line that was torn is not a row.
    #expect(before.subtracting(after).count <= 1 && after.count == 40)
    let again = try Program.run(["sweep", profile, "--output", output, "--resume"])
    #expect(again.status == 0 && again.sentence?.contains("is complete") == true)
    #expect(Self.measured(in: output) == after)
  }

  /// `ulimit -f` is a disk that is full for one file: it works for everybody, unlike a mount.
  @Test(arguments: [1, 8, 20, 44])
  func `a full disk loses no row`(kibibytes: Int) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let output = folder.path + "/out"
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = [
      "-c",
      "ulimit -f \(kibibytes); exec '\(Program.path)' sweep '\(profile)' --output '\(output)'",
    ]
    let errors = Pipe()
    shell.standardError = errors
    shell.standardOutput = FileHandle.nullDevice
    try shell.run()
    let said = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    shell.waitUntilExit()
    #expect(shell.terminationReason == .exit && shell.terminationStatus == 1)
    #expect(said.hasPrefix("ballast: cannot write \(output)/"), "\(said)")
    #expect(said.contains("file too large") && said.split(separator: "\n").count == 1, "\(said)")
    let points = Self.text(output + "/points.csv")
    #expect(points.isEmpty || points.hasSuffix("\n"))
    let before = Self.measured(in: output)
    let resumed = try Program.run(["sweep", profile, "--output", output, "--resume"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(before.isSubset(of: Self.measured(in: output)))
    #expect(Self.measured(in: output).count == 40)
  }

  @Test(arguments: ["/proc/results", "/dev/null", "/sys"])
  func `a folder that cannot be written is not resumed in`(output: String) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let result = try Program.run(["sweep", profile, "--output", output, "--resume"])
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("cannot") == true, "\(result.errors)")
  }
}
