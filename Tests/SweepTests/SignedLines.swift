/// The lines of a journal with the digest of each as its first member; an unfinished one as it is.
///
/// FNV-1a, 64 bits, over the line and a byte of ones, written out here so that the format is pinned.
func signed(_ journal: String) -> String {
  journal.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { place, line in
    guard line.hasPrefix("{"), line.hasSuffix("}") else { return String(line) }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in Array("\(line)\n".utf8) + [0xff] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    let digest = String(repeating: "0", count: 16 - digits.count) + digits
    return "{\"digest\":\"\(digest)\"," + line.dropFirst()
  }.joined(separator: "\n")
}

/// The lines of a journal without their digests.
func unsigned(_ journal: String) -> String {
  journal.replacing(/\{"digest":"[0-9a-f]{16}",/, with: "{")
}
