import Foundation
import TestSupport

/// Runs the built `ballast` as a user does.
struct Program {
  /// What a run left.
  struct Result {
    let status: Int32
    let output: String
    let errors: String

    /// The one sentence on standard error; nil if there is not exactly one line.
    var sentence: String? {
      let lines = errors.split(separator: "\n", omittingEmptySubsequences: false)
      return lines.count == 2 && lines[1].isEmpty ? String(lines[0]) : nil
    }
  }

  /// The binary stands beside the test bundle, in the folder of the build's configuration.
  static let path: String = {
    var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      let candidate = folder.appendingPathComponent("ballast").path
      var isDirectory: ObjCBool = false
      let exists = unsafe FileManager.default.fileExists(
        atPath: candidate, isDirectory: &isDirectory)
      if exists, !isDirectory.boolValue { return candidate }
    }
    return "ballast"
  }()

  /// A run that has been started.
  let process = Process()
  private let outputPath = NSTemporaryDirectory() + "ballast-out-\(UUID().uuidString)"
  private let errorPath = NSTemporaryDirectory() + "ballast-err-\(UUID().uuidString)"

  /// Starts a run; `environment` adds to that of the tests, from which some variables are left out.
  init(
    _ arguments: [String], in folder: String? = nil, environment: [String: String] = [:],
    without left: Set<String> = []
  ) throws {
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !left.contains($0.key) }.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    for path in [outputPath, errorPath] {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
    }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    try process.run()
  }

  /// Waits for the end of the run.
  func result() throws -> Result {
    process.waitUntilExit()
    defer {
      try? FileManager.default.removeItem(atPath: outputPath)
      try? FileManager.default.removeItem(atPath: errorPath)
    }
    return Result(
      status: process.terminationReason == .exit
        ? process.terminationStatus : -process.terminationStatus,
      output: try String(contentsOfFile: outputPath, encoding: .utf8),
      errors: try String(contentsOfFile: errorPath, encoding: .utf8))
  }

  /// Runs the program to its end.
  static func run(_ arguments: [String], in folder: String? = nil) throws -> Result {
    try Program(arguments, in: folder).result()
  }
}
