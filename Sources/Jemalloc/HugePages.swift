internal import CJemalloc

/// Extent hooks that ask the kernel for huge pages behind every mapping of an arena.
enum HugePages {
  /// The address of an `extent_hooks_t`, as a number so that it is `Sendable`.
  private static let control = Control<UInt>("arena.0.extent_hooks")

  /// The address of the hooks that all arenas share; never freed, since jemalloc keeps it.
  private static let hooks: Result<UInt, JemallocError> = {
    do throws(JemallocError) {
      let address = try control.read(arena: 0)
      guard let defaults = unsafe UnsafeMutablePointer<extent_hooks_t>(bitPattern: address) else {
        return .failure(JemallocError(status: 22, name: control.name))
      }
      let hooks = UnsafeMutablePointer<ballast_huge_hooks>.allocate(capacity: 1)
      unsafe hooks.initialize(to: ballast_make_huge_hooks(defaults))
      return .success(UInt(bitPattern: hooks))
    } catch {
      return .failure(error)
    }
  }()

  /// Makes the arena ask for huge pages (`arena.<i>.extent_hooks`, `madvise`).
  static func use(in arena: UInt32) throws(JemallocError) {
    try control.write(hooks.get(), arena: arena)
  }
}
