package import Foundation

/// What Linux says about memory: of the machine, and of this process.
package enum MachineMemory {
  /// Bytes that a step may use: what the machine, or the control group around us, has left.
  ///
  /// `MemAvailable` of `/proc/meminfo`; `memory.max − memory.current` where that is less.
  package static func available() -> Int? {
    let machine = machineAvailable()
    let group = "/sys/fs/cgroup/memory"
    guard
      let most = number(in: "\(group).max"), let used = number(in: "\(group).current")
    else { return machine }
    return min(machine ?? Int.max, max(most - used, 0))
  }

  /// What the machine has left, page cache included: `MemAvailable`.
  package static func machineAvailable() -> Int? {
    kibibytes(of: "MemAvailable:", in: "/proc/meminfo")
  }

  /// What the machine has in all: `MemTotal`.
  package static func total() -> Int? { kibibytes(of: "MemTotal:", in: "/proc/meminfo") }

  /// Resident bytes of a process that are its own, not those of mapped files: `statm`.
  package static func privateBytes(of process: pid_t) -> Int? {
    let pages = text(of: "/proc/\(process)/statm")?.split(separator: " ").compactMap { Int($0) }
    guard let pages, pages.count > 2 else { return nil }
    return (pages[1] - pages[2]) * sysconf(Int32(_SC_PAGESIZE))
  }

  /// How many processes the kernel has ended for want of memory: `oom_kill` of `/proc/vmstat`.
  package static func outOfMemoryKills() -> Int? {
    for line in (text(of: "/proc/vmstat") ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "oom_kill" { return Int(words[1]) }
    }
    return nil
  }

  /// Makes `peakResidentBytes` start from what is resident now; false where that is not allowed.
  package static func resetPeak() -> Bool {
    guard let handle = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
    do {
      try handle.write(contentsOf: Data("5".utf8))
      return true
    } catch {
      return false
    }
  }

  /// The most that was resident since `resetPeak`: `VmHWM` of `/proc/self/status`.
  package static func peakResidentBytes() -> Int? {
    kibibytes(of: "VmHWM:", in: "/proc/self/status")
  }

  private static func text(of path: String) -> String? {
    guard let handle = FileHandle(forReadingAtPath: path), let data = try? handle.readToEnd()
    else { return nil }
    return String(data: data, encoding: .utf8)
  }

  private static func number(in path: String) -> Int? {
    text(of: path).flatMap { Int($0.split(whereSeparator: \.isWhitespace).first ?? "") }
  }

  private static func kibibytes(of key: String, in path: String) -> Int? {
    guard let text = text(of: path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(key) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
    return nil
  }
}
