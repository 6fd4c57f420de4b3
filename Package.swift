// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is built with the same strict settings.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A Swift module under `Sources/`, with the modules that it may import.
func module(_ name: String, uses dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// A test target under `Tests/`. In release builds what tests test is optimised, they themselves are not:
/// `#expect` takes long to compile with `-O`. Those that compute much themselves are.
func tests(
  _ name: String, of dependencies: [Target.Dependency], isOptimized: Bool = false
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies,
    swiftSettings: strict + (isOptimized ? [] : [.unsafeFlags(["-Onone"])]))
}

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
/// Dictionaries that keep the order in which their keys came.
let ordered = Target.Dependency.product(name: "OrderedCollections", package: "swift-collections")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "ballast",
  products: [
    .executable(name: "ballast", targets: ["ballast"]),
    .library(name: "BallastTesting", targets: ["BallastTesting"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // C libraries: one target each, imported by exactly one Swift module, kernels by three.
    .systemLibrary(
      name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl")]),
    .target(name: "CThreading", linkerSettings: [.linkedLibrary("gomp")]),
    // Attention's tiles and kernels over runs of elements, compiled for each instruction set.
    .target(name: "CKernels"),
    // A report's page and its plotting library, embedded by `#embed`.
    .target(name: "CReport", exclude: ["assets"]),
    module("Jemalloc", uses: ["CJemalloc"]),
    module("Threading", uses: ["CThreading"]),
    module("OneDNN", uses: ["COneDNN", "CKernels", "Threading"]),

    // Words for people, files that users write, and results that we do.
    module("Spelling"),
    module("Values", uses: ["Spelling"]),
    module("Patterns", uses: ["Values", "Spelling"]),
    module("Files", uses: ["Spelling"]),
    module("Safetensors", uses: ["Files", "Spelling"]),

    // PyTorch's allocator on a GPU, without one.
    module("CUDAAllocator", uses: ["Values", "Spelling"]),

    // The instrument: data flows from the top of this list to its end.
    module("Ledger"),
    module("Tensors", uses: ["Ledger"]),
    module("TiledAttention", uses: ["Tensors", "CKernels", "Threading"]),
    module(
      "CPUBackend",
      uses: ["Tensors", "TiledAttention", "CKernels", "Jemalloc", "OneDNN", "Threading", "Ledger"]),
    module("Autograd", uses: ["Tensors", "Ledger"]),
    module("PyTorchOps", uses: ["Autograd", "Tensors", "Ledger"]),
    // PyTorch's own step, allocation by allocation.
    module("PyTorchSteps"),
    module(
      "Transformer",
      uses: [
        "PyTorchOps", "PyTorchSteps", "Autograd", "Tensors", "Ledger", "Safetensors", "Values",
        "Spelling",
      ]),
    module(
      "HuggingFace", uses: ["Transformer", "Tensors", "Patterns", "Values", "Files", "Spelling"]),
    module(
      "Retention",
      uses: [
        "Transformer", "PyTorchSteps", "Autograd", "Tensors", "Ledger", "Safetensors", "Patterns",
        "Values", "Spelling",
      ]),
    module(
      "Reporting",
      uses: ["Retention", "Transformer", "Tensors", "Ledger", "Values", "Spelling", ordered]),
    module("Traces", uses: ["Reporting", "Retention", "Ledger", "Spelling", ordered]),
    module(
      "Recordings",
      uses: [
        "CUDAAllocator", "PyTorchSteps", "Reporting", "Ledger", "CZlib", "Values", "Files",
        "Spelling",
      ]),
    module(
      "RecordedSteps",
      uses: [
        "Recordings", "CUDAAllocator", "Traces", "Reporting", "Retention", "Ledger", "Values",
        "Spelling", ordered,
      ]),
    module(
      "RecordedLaws",
      uses: ["Recordings", "CUDAAllocator", "Reporting", "Ledger", "Files", "Spelling"]),
    module(
      "RecordedPlans",
      uses: [
        "RecordedLaws", "RecordedSteps", "Recordings", "CUDAAllocator", "Reporting", "Files",
        "Spelling", "Values",
      ]),
    module(
      "Results",
      uses: [
        "RecordedLaws", "RecordedSteps", "Recordings", "Reporting", "Retention", "Files",
        "Spelling",
      ]),
    module(
      "HTMLReport",
      uses: ["CReport", "Results", "Reporting", "Retention", "Files", "Spelling", ordered]),
    module(
      "Measurement",
      uses: [
        "Reporting", "Retention", "CPUBackend", "Jemalloc", "HuggingFace", "Transformer",
        "Autograd", "Tensors", "Ledger", "Safetensors", "Values", "Files", "Spelling", ordered,
      ]),
    module(
      "Planning",
      uses: [
        "PyTorchSteps", "Measurement", "Reporting", "Retention", "Transformer", "Tensors", "Ledger",
        "Patterns", "Values", "Spelling",
      ]),
    module(
      "Budgets",
      uses: [
        "Measurement", "Results", "Reporting", "Retention", "Transformer", "Tensors", "Ledger",
        "Values", "Files", "Spelling", ordered,
      ]),
    module(
      "Profiles",
      uses: [
        "Budgets", "Measurement", "Reporting", "Retention", "Transformer", "Tensors", "Safetensors",
        "Values", "Files", "Spelling", yams,
      ]),
    module(
      "Sweep",
      uses: [
        "Profiles", "Budgets", "Measurement", "Reporting", "Retention", "Transformer", "Tensors",
        "Ledger", "Values", "Files", "Spelling",
      ]),
    // What editors know of the files that people write.
    module(
      "Schemas",
      uses: [
        "Profiles", "Budgets", "Measurement", "RecordedLaws", "Recordings", "CUDAAllocator",
        "Retention", "Ledger", "Values", "Spelling",
      ]),
    module(
      "BallastTesting",
      uses: [
        "Profiles", "Budgets", "Measurement", "Reporting", "Retention", "Transformer", "Tensors",
        "Values",
      ]),
    .executableTarget(
      name: "ballast",
      dependencies: [
        "Schemas", "Sweep", "Profiles", "Budgets", "Planning", "Measurement", "HTMLReport",
        "Results",
        "RecordedPlans", "RecordedLaws", "RecordedSteps", "Traces", "Recordings", "CUDAAllocator",
        "PyTorchSteps", "Reporting", "Retention", "HuggingFace", "Transformer", "Tensors", "Ledger",
        "Safetensors", "Values", "Files", "Spelling", "Threading", argumentParser,
      ],
      swiftSettings: strict),

    // Steps on demand, for the benchmarks.
    .executableTarget(
      name: "step-benchmark",
      dependencies: [
        "Measurement", "Retention", "CPUBackend", "Safetensors", "Tensors", "Transformer", "Ledger",
        "Threading", "Values",
      ],
      path: "Benchmarks/StepBenchmark", swiftSettings: strict),

    // What tests share, and a test target a module.
    .target(
      name: "TestSupport",
      dependencies: [
        "HuggingFace", "Transformer", "Autograd", "Tensors", "Ledger", "Safetensors", "Values",
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    tests("TestSupportTests", of: ["TestSupport"]),
    tests("SpellingTests", of: ["Spelling"]),
    tests("FilesTests", of: ["Files", "Spelling"]),
    tests("ValuesTests", of: ["Values"]),
    tests("PatternsTests", of: ["Patterns", "Values", "Spelling", "TestSupport"]),
    tests("SafetensorsTests", of: ["Safetensors", "Files", "TestSupport"]),
    tests("LedgerTests", of: ["Ledger"]),
    tests("TensorsTests", of: ["Tensors", "Ledger"]),
    tests("CUDAAllocatorTests", of: ["CUDAAllocator", "Values", "TestSupport"]),
    tests(
      "RecordingsTests",
      of: [
        "Recordings", "RecordedSteps", "CUDAAllocator", "Traces", "Ledger", "Values", "Files",
        "TestSupport",
      ]),
    tests(
      "RecordedStepsTests",
      of: [
        "RecordedSteps", "Recordings", "CUDAAllocator", "Reporting", "Retention", "Tensors",
        "Ledger",
        "Files", "TestSupport",
      ]),
    tests(
      "RecordedLawsTests",
      of: ["RecordedLaws", "Recordings", "CUDAAllocator", "Ledger", "Files", "TestSupport"]),
    tests(
      "RecordedPlansTests",
      of: [
        "RecordedPlans", "RecordedLaws", "Recordings", "CUDAAllocator", "Reporting", "Files",
        "TestSupport",
      ]),
    tests("JemallocTests", of: ["Jemalloc"]),
    tests("ThreadingTests", of: ["Threading"]),
    tests("OneDNNTests", of: ["OneDNN", "Threading"], isOptimized: true),
    tests("TiledAttentionTests", of: ["TiledAttention", "Tensors", "Ledger"]),
    tests(
      "CPUBackendTests", of: ["CPUBackend", "TiledAttention", "Tensors", "Ledger", "TestSupport"],
      isOptimized: true),
    tests("AutogradTests", of: ["Autograd", "Tensors", "Ledger", "TestSupport"]),
    tests("PyTorchOpsTests", of: ["PyTorchOps", "Autograd", "Tensors", "Ledger", "TestSupport"]),
    tests("PyTorchStepsTests", of: ["PyTorchSteps"]),
    tests(
      "TransformerTests", of: ["Transformer", "Tensors", "Ledger", "Safetensors", "TestSupport"]),
    tests(
      "HuggingFaceTests",
      of: [
        "HuggingFace", "Transformer", "Tensors", "Safetensors", "Files", "Spelling", "TestSupport",
      ]),
    tests(
      "RetentionTests",
      of: [
        "Retention", "PyTorchSteps", "HuggingFace", "Transformer", "Autograd", "CPUBackend",
        "Tensors", "Ledger",
        "Safetensors", "Patterns", "Values", "TestSupport",
      ]),
    tests(
      "ReportingTests",
      of: ["Reporting", "Retention", "Transformer", "Ledger", "Values", "Files", "Spelling"]),
    tests("ResultsTests", of: ["Results", "Reporting", "Files", "TestSupport"]),
    tests("TracesTests", of: ["Traces", "TestSupport"]),
    tests("HTMLReportTests", of: ["HTMLReport", "TestSupport"]),
    tests(
      "MeasurementTests",
      of: [
        "Sweep", "Profiles", "Measurement", "Reporting", "Retention", "HuggingFace", "Transformer",
        "Autograd", "Tensors", "Ledger", "Safetensors", "Files", "Spelling", "TestSupport",
      ]),
    tests(
      "PlanningTests",
      of: [
        "Profiles", "Planning", "PyTorchSteps", "Measurement", "Reporting", "Retention",
        "Transformer",
        "CPUBackend", "Tensors", "Ledger", "TestSupport",
      ]),
    tests(
      "BudgetsTests",
      of: [
        "Profiles", "Budgets", "Measurement", "Results", "Reporting", "Retention", "Tensors",
        "Ledger", "Files", "TestSupport",
      ]),
    tests(
      "ProfilesTests",
      of: [
        "Profiles", "Budgets", "Measurement", "Reporting", "Retention", "Transformer", "Autograd",
        "Tensors", "Values", "Spelling", "TestSupport",
      ]),
    tests(
      "SweepTests",
      of: [
        "Sweep", "Profiles", "Measurement", "Reporting", "Retention", "Tensors", "Ledger", "Values",
        "Files", "Spelling", "TestSupport",
      ]),
    tests(
      "SchemasTests",
      of: ["Schemas", "Sweep", "Profiles", "Recordings", "Values", "Files", "TestSupport"]),
    tests("MemoryBudgetTests", of: ["BallastTesting"]),
    tests(
      "CommandLineTests",
      of: [
        "ballast", "Traces", "Reporting", "Retention", "Transformer", "Safetensors", "Values",
        "Files",
        "Spelling", "TestSupport", argumentParser,
      ]),
  ],
  cxxLanguageStandard: .cxx17
)
