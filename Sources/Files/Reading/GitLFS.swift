/// Pointers that Git LFS leaves in place of large files which were not fetched.
///
/// github.com/git-lfs/git-lfs, docs/spec.md: the first line says the version.
package enum GitLFS {
  /// Whether a file that begins with these bytes is a pointer; eight of them are enough.
  package static func isPointer(_ bytes: some Sequence<UInt8>) -> Bool {
    let start = Array("version https://git-lfs.github.com/spec/".utf8)
    let own = Array(bytes.prefix(start.count))
    return own.count >= 8 && start.starts(with: own)
  }

  /// About a file that is one, without its name.
  package static let sentence =
    "is a Git LFS pointer in the place of the file itself; fetch that with git lfs pull"
}
