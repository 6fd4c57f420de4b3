import Foundation
import Reporting

/// How a worker's process ended.
struct WorkerEnd: Sendable {
  /// As `waitpid` gives it.
  let status: Int32
  /// The last of its standard error.
  let complaint: String

  /// The signal that ended it; nil if it exited.
  var signal: Int32? {
    let number = status & 0x7f
    return number == 0 ? nil : number
  }

  var exitStatus: Int32 { (status >> 8) & 0xff }
}

/// What a point's row says when its worker ended.
struct PointFate: Equatable, Sendable {
  let status: PointStatus
  let sentence: String
  /// Whether somebody else ended the worker.
  var isInterrupted = false

  /// The fate of a point whose worker was stopped for its memory.
  init(_ breach: MemoryBreach) {
    switch breach {
    case .overLimit(let held, let most, let limit):
      status = .overLimit
      sentence =
        "the point's process held \(Units.bytes(held)), more than the \(Units.bytes(most)) that "
        + "the limit of \(Units.exactBytes(limit)) allows for, and was stopped; "
        + "raise --memory or shorten n_c"
    case .machineFull(let held, let left):
      status = .outOfMemory
      sentence =
        "the point's process held \(Units.bytes(held)) and was stopped when the machine had "
        + "\(Units.bytes(left)) of memory left; shorten n_c or use a smaller model"
    }
  }

  /// The fate of a point whose worker ended by itself, or was ended.
  ///
  /// - Parameters:
  ///   - end: How it ended.
  ///   - systemKilled: Whether the kernel ended processes for want of memory meanwhile.
  init(_ end: WorkerEnd, systemKilled: Bool) {
    let said = Self.summary(of: end.complaint).map { ": \($0)" } ?? ""
    guard let signal = end.signal else {
      status = .failed
      sentence = "the point's process ended with status \(end.exitStatus)\(said)"
      return
    }
    let name = Self.name(of: signal)
    if signal == SIGKILL, systemKilled {
      status = .outOfMemory
      sentence = "the system ran out of memory and ended the point's process"
    } else if Self.fromOutside.contains(signal) {
      status = .failed
      sentence = "the point's process was killed (\(name)); --resume measures the point again"
      isInterrupted = true
    } else if Self.refusals.contains(where: { end.complaint.contains($0) }) {
      status = .outOfMemory
      sentence = "the system refused memory to the point's process (\(name))\(said)"
    } else {
      status = .failed
      sentence = "the point's process crashed (\(name))\(said)"
    }
  }

  /// Signals that a program does not bring upon itself.
  private static let fromOutside = [SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT]

  /// What the Swift and C++ runtimes say when `malloc` returns null.
  private static let refusals = ["ould not allocate memory", "std::bad_alloc", "out of memory"]

  private static let names: [Int32: String] = [
    SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGHUP: "SIGHUP", SIGILL: "SIGILL",
    SIGINT: "SIGINT", SIGKILL: "SIGKILL", SIGQUIT: "SIGQUIT", SIGSEGV: "SIGSEGV",
    SIGSYS: "SIGSYS", SIGTERM: "SIGTERM", SIGTRAP: "SIGTRAP", SIGXCPU: "SIGXCPU",
    SIGXFSZ: "SIGXFSZ",
  ]

  static func name(of signal: Int32) -> String { names[signal] ?? "signal \(signal)" }

  /// The line that says what went wrong, or else the last one, on one line of bearable length.
  private static func summary(of complaint: String) -> String? {
    let lines = complaint.split(whereSeparator: \.isNewline)
    guard let line = lines.first(where: { $0.contains("rror: ") }) ?? lines.last else { return nil }
    let words = line.unicodeScalars.map { scalar in
      scalar.properties.generalCategory == .control ? " " : String(scalar)
    }.joined().split(separator: " ").joined(separator: " ")
    return words.count > 160 ? "\(words.prefix(159))…" : words
  }
}
