/// The GPUs that have a name.
///
/// *Memory* is what PyTorch itself said on such a card: `total_memory` of
/// `torch.cuda.get_device_properties`, which equals the total of `mem_get_info`, or the capacity in
/// an out-of-memory message. Drivers differ by some MiB: a figure is one card's, not every one's.
///
/// *Context* is what such messages leave over: "this process has A in use. Of the allocated memory
/// B is allocated by PyTorch, and C is reserved by PyTorch but unallocated" gives A − B − C, to
/// 0.01 GiB as the message is rounded. It grows with the kernels that a program has loaded and with
/// libraries such as NCCL: one program's figure, not a bound.
///
/// *Multiprocessors*, *threads* and *compute capability* are of NVIDIA's data sheets and of the
/// table "Technical Specifications per Compute Capability" in the CUDA programming guide. *cuBLAS's
/// workspace* is PyTorch's rule (`aten/src/ATen/cuda/CublasHandlePool.cpp`,
/// `parseChosenWorkspaceSize`): 32 MiB on compute capabilities 9, 10 and 12, else 8,519,680 bytes;
/// releases before 2.12 took 8,519,680 on Blackwell.
extension GPU {
  package static let all = [
    GPU(
      name: "a100-40gb", title: "NVIDIA A100 40GB",
      memoryBytes: 42_505_273_344,
      memorySource: "read off: deviceQuery and torch's total_memory (40536 MiB) of an A100-40GB",
      multiprocessors: 108, threadsPerMultiprocessor: 2048, computeCapability: "8.0",
      contextBytes: 512 << 20, contextSource: "taken from the A100 80GB, which is the same chip",
      cublasWorkspaceBytes: 8_519_680),
    GPU(
      name: "a100-80gb", title: "NVIDIA A100 80GB",
      memoryBytes: 85_097_971_712,
      memorySource: "read off: torch's total_memory of an A100 80GB PCIe; 79.25 GiB in messages",
      multiprocessors: 108, threadsPerMultiprocessor: 2048, computeCapability: "8.0",
      contextBytes: 512 << 20,
      contextSource: "read off to 0.01 GiB: 66.91 - 39.50 - 26.91 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 8_519_680),
    GPU(
      name: "h100", title: "NVIDIA H100 80GB HBM3",
      memoryBytes: 85_029_158_912,
      memorySource: "read off: torch 2.7's total_memory (81090 MiB) of an H100 80GB HBM3",
      multiprocessors: 132, threadsPerMultiprocessor: 2048, computeCapability: "9.0",
      contextBytes: 600 << 20,
      contextSource: "read off to 0.01 GiB: 39.75 - 39.13 - 0.03 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 33_554_432),
    GPU(
      name: "h200", title: "NVIDIA H200",
      memoryBytes: 150_110_011_392,
      memorySource: "read off: mem_get_info's total of an H200; torch's total_memory 143156 MiB",
      multiprocessors: 132, threadsPerMultiprocessor: 2048, computeCapability: "9.0",
      contextBytes: 670 << 20,
      contextSource: "read off to 0.01 GiB: 139.60 - 138.14 - 0.81 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 33_554_432),
    GPU(
      name: "b200", title: "NVIDIA B200",
      memoryBytes: 182_642 << 20,
      memorySource: "read off in whole MiB: torch's total_memory (182642 MiB) of a B200",
      multiprocessors: 148, threadsPerMultiprocessor: 2048, computeCapability: "10.0",
      contextBytes: 712 << 20,
      contextSource: "read off to 0.01 GiB: 168.34 - 167.64 - 0.00 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 33_554_432),
    GPU(
      name: "l40s", title: "NVIDIA L40S",
      memoryBytes: 45_589 << 20,
      memorySource: "read off in whole MiB: torch's total_memory (45589 MiB) of an L40S",
      multiprocessors: 142, threadsPerMultiprocessor: 1536, computeCapability: "8.9",
      contextBytes: 426 << 20,
      contextSource: "taken from an RTX 6000 Ada, the same chip: nvidia-smi, torch 2.10, CUDA 13.0",
      cublasWorkspaceBytes: 8_519_680),
    GPU(
      name: "l4", title: "NVIDIA L4",
      memoryBytes: 22_559 << 20,
      memorySource: "read off to 0.01 GiB: 22.03 GiB in out-of-memory messages of an L4",
      multiprocessors: 58, threadsPerMultiprocessor: 1536, computeCapability: "8.9",
      contextBytes: 251 << 20,
      contextSource: "read off to 0.01 GiB: 21.96 - 21.65 - 0.07 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 8_519_680),
    GPU(
      name: "rtx-4090", title: "NVIDIA GeForce RTX 4090",
      memoryBytes: 24_207 << 20,
      memorySource: "read off to 0.01 GiB: 23.64 GiB in out-of-memory messages on Linux",
      multiprocessors: 128, threadsPerMultiprocessor: 1536, computeCapability: "8.9",
      contextBytes: 439 << 20,
      contextSource: "read off to 0.01 GiB: 23.26 - 22.19 - 0.64 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 8_519_680),
    GPU(
      name: "rtx-5090", title: "NVIDIA GeForce RTX 5090",
      memoryBytes: 32_113 << 20,
      memorySource: "read off to 0.01 GiB: 31.36 GiB in out-of-memory messages on Linux",
      multiprocessors: 170, threadsPerMultiprocessor: 1536, computeCapability: "12.0",
      contextBytes: 489 << 20,
      contextSource: "read off to 0.01 GiB: 31.33 - 30.66 - 0.19 GiB of an out-of-memory message",
      cublasWorkspaceBytes: 33_554_432),
    GPU(
      name: "cpu", title: "no GPU",
      memoryBytes: nil, memorySource: "the machine's own memory",
      multiprocessors: 0, threadsPerMultiprocessor: 0, computeCapability: "",
      contextBytes: 0, contextSource: "a CPU has none", cublasWorkspaceBytes: 0),
  ]
}
