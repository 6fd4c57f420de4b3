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

/// A test target under `Tests/`.
func tests(_ name: String, of dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "ballast",
  products: [
    .executable(name: "ballast", targets: ["ballast"]),
    .library(name: "BallastTesting", targets: ["BallastTesting"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // C libraries: one target each, imported by exactly one Swift module.
    .systemLibrary(
      name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
    .target(
      name: "COneDNN",
      linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp")]),
    module("Jemalloc", uses: ["CJemalloc"]),
    module("OneDNN", uses: ["COneDNN"]),

    // The instrument: data flows from the top of this list to its end.
    module("Ledger"),
    module("Tensors", uses: ["Ledger"]),
    module("CPUBackend", uses: ["Tensors", "Jemalloc", "OneDNN", "Ledger"]),
    module("Autograd", uses: ["Tensors", "Ledger"]),
    module("Transformer", uses: ["Autograd", "Tensors", "Ledger"]),
    module("Retention", uses: ["Transformer", "Autograd", "Tensors", "Ledger"]),
    module("Reporting", uses: ["Retention", "Transformer", "Tensors", "Ledger"]),
    module(
      "Sweep",
      uses: [
        "Retention", "CPUBackend", "Jemalloc", "Reporting", "Transformer", "Autograd", "Tensors",
        "Ledger", yams,
      ]),
    module(
      "BallastTesting",
      uses: ["Sweep", "Reporting", "Retention", "Transformer", "Tensors"]),
    .executableTarget(
      name: "ballast",
      dependencies: ["Sweep", "Reporting", "Retention", "Transformer", "Tensors", argumentParser],
      swiftSettings: strict),

    tests(
      "ReportingTests", of: ["Reporting", "Retention", "Transformer", "Tensors", "Ledger"]),
    tests(
      "SweepTests",
      of: [
        "Sweep", "Reporting", "Retention", "Transformer", "Autograd", "Tensors", "Ledger",
        "TestSupport",
      ]),
    tests("MemoryBudgetTests", of: ["BallastTesting"]),
    tests("CommandLineTests", of: ["ballast", "Transformer", "TestSupport"]),

    // What tests share, and the tests of that.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    tests("TestSupportTests", of: ["TestSupport"]),
    tests("LedgerTests", of: ["Ledger"]),
    tests("TensorsTests", of: ["Tensors", "Ledger"]),
    tests(
      "RetentionTests",
      of: [
        "Retention", "Transformer", "Autograd", "CPUBackend", "Tensors", "Ledger", "TestSupport",
      ]),
    tests("TransformerTests", of: ["Transformer", "Tensors", "TestSupport"]),
    .executableTarget(
      name: "products-benchmark",
      dependencies: ["Retention", "CPUBackend", "Tensors", "Transformer", "Ledger"],
      path: "Sources/ProductsBenchmark", swiftSettings: strict),
    tests("JemallocTests", of: ["Jemalloc"]),
    tests("OneDNNTests", of: ["OneDNN"]),
    tests("CPUBackendTests", of: ["CPUBackend", "Tensors", "Ledger"]),
  ],
  cxxLanguageStandard: .cxx17
)
