internal import CJemalloc

/// Extent hooks that ask the kernel for huge pages behind every mapping of an arena.
enum HugePages {
  /// A pointer that C keeps for the life of the process, as a number so that it is `Sendable`.
  private typealias Hooks = Control<UInt>

  private static let control = Hooks("arena.0.extent_hooks")

  /// Fills the hooks from the defaults of the first arena that asks; a static runs once.
  private static let hooks: Result<UInt, JemallocError> = {
    do throws(JemallocError) {
      let defaults = try control.read(arena: 0)
      let pointer = unsafe UnsafeMutablePointer<extent_hooks_t>(bitPattern: defaults)
      let prepared = unsafe ballast_prepare_huge_hooks(pointer)
      return .success(UInt(bitPattern: prepared))
    } catch {
      return .failure(error)
    }
  }()

  /// Makes the arena ask for huge pages (`arena.<i>.extent_hooks`, `madvise`).
  static func use(in arena: UInt32) throws(JemallocError) {
    try control.write(hooks.get(), arena: arena)
  }
}
