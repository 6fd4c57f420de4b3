import CUDAAllocator
import Foundation
import Recordings
import Testing

/// The allocator, held against traces of real GPUs: after every allocation as much is reserved.
///
/// `BALLAST_GPU_TRACES` names the folder in which they are; without it there is nothing to hold
/// against.
@Suite struct `Traces of real GPUs` {
  private static let files: [String] = {
    guard let folder = ProcessInfo.processInfo.environment["BALLAST_GPU_TRACES"] else {
      print("BALLAST_GPU_TRACES is not set: no trace to hold the allocator against")
      return []
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".json.gz") }.sorted().map { "\(folder)/\($0)" }
  }()

  @Test(arguments: files)
  func `are what the allocator makes of their requests`(path: String) throws {
    guard case .trace(let stream) = try RecordedFile(path) else {
      Issue.record("\(path) is no trace")
      return
    }
    let answer = AllocatorAnswer(stream)
    let run = try #require(stream.run)
    let best = try #require(answer.agreements.max { $0.equal < $1.equal })
    for agreement in answer.agreements {
      print(
        (path as NSString).lastPathComponent, agreement.isWarm ? "warm" : "cold",
        agreement.order.name, "reserved equal", agreement.equal, "of", agreement.allocations,
        "same address", agreement.sameAddress, "peak", agreement.peakReserved - run.reservedPeak,
        "end", agreement.reservedAtEnd - run.reservedAtEnd, "allocated",
        agreement.allocatedAtEnd - run.allocatedAtEnd)
    }
    #expect(best.equal == best.allocations, "\(best.allocations - best.equal) differ")
    #expect(best.peakReserved == run.reservedPeak && best.reservedAtEnd == run.reservedAtEnd)
  }
}
