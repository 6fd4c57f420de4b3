import Foundation
import HuggingFace
import TestSupport
import Testing

@Suite struct `The Hugging Face cache` {
  private static let commit = "0123456789abcdef0123456789abcdef01234567"
  private static let other = String(repeating: "f", count: 40)

  /// A model's folder as `hf download` leaves it, and ways to break it.
  private struct Place {
    let folder: Folder
    let path: String
    let manager = FileManager.default

    init() throws {
      folder = try Folder()
      path = folder.path + "/models--org--tiny-1"
      try add(commit)
      try write("refs/main", commit)
    }

    func add(_ commit: String) throws {
      let snapshot = "\(path)/snapshots/\(commit)"
      try manager.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
      try write("blobs/\(commit)", #"{"model_type": "gpt2", "n_layer": 1}"#)
      try link("snapshots/\(commit)/config.json", to: "../../blobs/\(commit)")
    }

    func write(_ name: String, _ text: String) throws {
      let file = URL(fileURLWithPath: "\(path)/\(name)")
      try manager.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }

    func link(_ name: String, to target: String) throws {
      try manager.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
    }

    func remove(_ name: String) throws { try manager.removeItem(atPath: "\(path)/\(name)") }

    func find(_ name: String = "org/tiny-1") throws -> HubCache.Finding {
      try HubCache(path: folder.path).find(try #require(HubName(name)))
    }

    func snapshot(_ commit: String) -> String { "\(path)/snapshots/\(commit)" }
  }

  @Test func `has main, a branch, a tag, a commit, or the only snapshot`() throws {
    let place = try Place()
    #expect(try place.find() == .snapshot(place.snapshot(Self.commit)))
    try place.add(Self.other)
    try place.write("refs/pr/7", Self.other + "\n")
    #expect(try place.find() == .snapshot(place.snapshot(Self.commit)))
    #expect(try place.find("org/tiny-1@pr/7") == .snapshot(place.snapshot(Self.other)))
    #expect(try place.find("org/tiny-1@\(Self.other)") == .snapshot(place.snapshot(Self.other)))
    #expect(try place.find("org/tiny-1@pr") == .nothing)
    #expect(try place.find("org/tiny-2") == .nothing)
    try place.remove("refs/main")
    try place.remove("snapshots/\(Self.commit)")
    #expect(try place.find() == .snapshot(place.snapshot(Self.other)))
  }

  /// What is done to a folder, and what becomes of the look-up: a sentence, or "" for nothing there.
  private static let faults: [(String, @Sendable (Place) throws -> Void, String)] = [
    ("junk in refs", { try $0.write("refs/main", "main") }, "names no commit"),
    ("nothing in refs", { try $0.write("refs/main", "") }, "names no commit"),
    ("a path in refs", { try $0.write("refs/main", "../../../../etc") }, "names no commit"),
    (
      "much in refs", { try $0.write("refs/main", String(repeating: "0", count: 5000)) },
      "is larger than 4 KiB"
    ),
    (
      "refs/main is a folder",
      {
        try $0.remove("refs/main")
        try $0.write("refs/main/x", "")
      }, "is a directory"
    ),
    (
      "refs/main leads to itself",
      {
        try $0.remove("refs/main")
        try $0.link("refs/main", to: "main")
      }, "cannot be opened"
    ),
    (
      "two snapshots, none of them main",
      {
        try $0.remove("refs/main")
        try $0.link("refs/main", to: "nowhere")
        try $0.add(other)
      }, "holds 2 snapshots and no refs/main"
    ),
    ("the commit is not there", { try $0.remove("snapshots/\(commit)") }, ""),
    (
      "snapshots is a file",
      {
        try $0.remove("snapshots")
        try $0.write("snapshots", "")
      }, ""
    ),
    (
      "the folder is a file",
      {
        try $0.remove("")
        try Data().write(to: URL(fileURLWithPath: $0.path))
      }, ""
    ),
    ("no snapshots", { try $0.remove("snapshots") }, ""),
  ]

  @Test(arguments: faults.indices)
  func `that is broken is a sentence, or as if it were empty`(index: Int) throws {
    let (name, fault, part) = Self.faults[index]
    let place = try Place()
    try fault(place)
    guard !part.isEmpty else {
      #expect(try place.find() == .nothing, "\(name)")
      return
    }
    let error = #expect(throws: ConfigurationError.self) { _ = try place.find() }
    #expect(error?.description.contains(part) == true, "\(name): \(String(describing: error))")
  }

  @Test(arguments: [nil, "../../blobs/gone", "config.json"])
  func `may lack a config.json`(target: String?) throws {
    let place = try Place()
    try place.remove("snapshots/\(Self.commit)/config.json")
    if let target { try place.link("snapshots/\(Self.commit)/config.json", to: target) }
    #expect(try place.find() == .withoutConfiguration(place.snapshot(Self.commit)))
  }

  @Test func `is where huggingface_hub has it`() {
    for (environment, path) in [
      (["HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"], "/a"),
      (["HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"], "/b"),
      (["HF_HOME": "/c", "XDG_CACHE_HOME": "/d"], "/c/hub"),
      (["XDG_CACHE_HOME": "/d", "HOME": "/e"], "/d/huggingface/hub"),
      (["HOME": "/e"], "/e/.cache/huggingface/hub"),
    ] {
      #expect(HubCache(environment: environment).path == path)
    }
  }

  @Test func `is asked for names alone`() {
    for text in ["org/name", "Qwen/Qwen2.5-7B", "a_b/c.d@v1", "org/name@refs/pr/1"] {
      #expect(HubName(text) != nil, "\(text)")
    }
    for text in [
      "", "name", "/name", "org/", "org/name/x", "../name", "org/..", "org/.x", "org/1", "org/a b",
      "org/x.json", "org/name@", "org/name@../x", "org/name@a//b", "org/name@/etc", "org/n\u{e4}",
    ] {
      #expect(HubName(text) == nil, "\(text)")
    }
    #expect(
      HubName("org/name@v1")?.download == "hf download org/name config.json --revision v1")
  }
}
