import Files
import Foundation

/// The folder in which `huggingface_hub` keeps what it has downloaded, which is only read here.
///
/// ```
/// models--Qwen--Qwen3-8B/refs/main                         the commit of a branch or tag
/// models--Qwen--Qwen3-8B/snapshots/COMMIT/config.json      a link into blobs/
/// ```
package struct HubCache: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  /// The cache of this machine: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub`,
  /// `XDG_CACHE_HOME/huggingface/hub` or `~/.cache/huggingface/hub`, the first that is set.
  package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    func set(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : NSString(string: $0).expandingTildeInPath }
    }
    if let path = set("HF_HUB_CACHE") ?? set("HUGGINGFACE_HUB_CACHE") {
      self.path = path
    } else if let home = set("HF_HOME") {
      path = Paths.join(home, "hub")
    } else {
      let caches = set("XDG_CACHE_HOME") ?? Paths.join(set("HOME") ?? NSHomeDirectory(), ".cache")
      path = Paths.join(caches, "huggingface/hub")
    }
  }

  /// What a cache has of a model.
  package enum Finding: Equatable, Sendable {
    /// The directory with its `config.json`.
    case snapshot(String)
    /// A directory of it in which there is no `config.json`, or a link that leads nowhere.
    case withoutConfiguration(String)
    case nothing
  }

  /// Looks a model up.
  ///
  /// Without a revision it is `main`, or the only snapshot there is.
  ///
  /// - Throws: `ConfigurationError` for a revision whose file names no commit, and for several
  ///   snapshots of which none is said to be meant.
  package func find(_ model: HubName) throws(ConfigurationError) -> Finding {
    let words = model.name.split(separator: "/")
    let folder = Paths.join(path, (["models"] + words).joined(separator: "--"))
    guard Paths.isDirectory(folder), let snapshot = try snapshot(of: model, in: folder),
      Paths.isDirectory(snapshot)
    else { return .nothing }
    return Paths.exists(Paths.join(snapshot, "config.json"))
      ? .snapshot(snapshot) : .withoutConfiguration(snapshot)
  }

  /// Where the asked revision ought to be; nil where nothing says.
  private func snapshot(
    of model: HubName, in folder: String
  ) throws(ConfigurationError) -> String? {
    let snapshots = Paths.join(folder, "snapshots")
    let reference = Paths.join(folder, "refs/\(model.revision ?? "main")")
    if let commit = try commit(in: reference, of: model) {
      return Paths.join(snapshots, commit)
    }
    if let revision = model.revision { return Paths.join(snapshots, revision) }
    let all = ((try? FileManager.default.contentsOfDirectory(atPath: snapshots)) ?? [])
      .filter { !$0.hasPrefix(".") && Paths.isDirectory(Paths.join(snapshots, $0)) }.sorted()
    guard all.count < 2 else {
      throw ConfigurationError(
        file: folder,
        "holds \(all.count) snapshots and no refs/main to say which is meant; name one, such as "
          + "\(model.name)@\(all[0])")
    }
    return all.first.map { Paths.join(snapshots, $0) }
  }

  /// The commit that a file of `refs` names; nil if there is no such file.
  private func commit(
    in file: String, of model: HubName
  ) throws(ConfigurationError) -> String? {
    let text: String
    do throws(OpenedFile.Failure) {
      text = try OpenedFile.text(file, most: 4096)
    } catch {
      if error.isMissing || (error.isDirectory && model.revision != nil) { return nil }
      throw ConfigurationError(file: file, error.sentence)
    }
    let commit = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard commit.utf8.count == 40, commit.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) })
    else {
      throw ConfigurationError(
        file: file,
        "names no commit, which is 40 hexadecimal digits; it is written again by "
          + model.download)
    }
    return commit
  }
}
