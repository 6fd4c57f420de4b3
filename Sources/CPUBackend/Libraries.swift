internal import CKernels
import Jemalloc
import OneDNN

extension CPUBackend {
  /// What computes here: libraries with their versions, and the kernels that this processor gets.
  package static var inside: [String] {
    let kernels = unsafe String(cString: ballast_kernels().pointee.name)
    return [
      "jemalloc \(JemallocVersion.loaded)", "oneDNN \(OneDNNVersion.loaded)",
      "kernels of this processor: \(kernels)",
    ]
  }
}
