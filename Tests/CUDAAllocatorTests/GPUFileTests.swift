import CUDAAllocator
import Foundation
import Testing

/// `python/ballast_probe/gpus.json`: what the recorder knows of GPUs.
@Suite struct GPUFileTests {
  private static let path = #filePath.replacing(
    "Tests/CUDAAllocatorTests/GPUFileTests.swift", with: "python/ballast_probe/gpus.json")

  /// With `BALLAST_WRITE_GPUS` set the file is written; run so after a change of the table.
  @Test func `the recorder knows the program's GPUs`() throws {
    if ProcessInfo.processInfo.environment["BALLAST_WRITE_GPUS"] != nil {
      try GPU.allText.write(toFile: Self.path, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOfFile: Self.path, encoding: .utf8) == GPU.allText,
      "BALLAST_WRITE_GPUS=1 scripts/test --filter GPUFileTests writes it again")
  }

  @Test(arguments: GPU.all)
  func `each has a source for what it says`(gpu: GPU) {
    #expect(gpu.memorySource.count > 5 && gpu.contextSource.count > 5)
    #expect(GPU.named(gpu.name) == gpu && GPU.all.count { $0.name == gpu.name } == 1)
    guard let memory = gpu.memoryBytes else { return }
    #expect(memory % (1 << 16) == 0 && gpu.contextBytes < memory / 20)
    let isRecent = !gpu.computeCapability.hasPrefix("8.")  // Hopper and Blackwell
    #expect(gpu.cublasWorkspaceBytes == (isRecent ? 32 << 20 : 8_519_680))
  }
}
