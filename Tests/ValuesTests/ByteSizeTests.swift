import Testing
import Values

@Suite struct ByteSizeTests {
  /// Texts and the bytes that they are.
  private static let sizes: [(text: String, bytes: Int)] = [
    ("4096", 4096), ("1KiB", 1024), ("512MiB", 512 << 20), ("80GiB", 80 << 30), ("2TiB", 2 << 40),
    ("80GB", 80_000_000_000), ("1kB", 1_000), ("1.5MB", 1_500_000), ("2TB", 2_000_000_000_000),
    ("24.5GiB", 49 << 29), ("1.5GiB", 3 << 29), ("0.5KiB", 512), ("80.0GiB", 80 << 30),
    ("4096.0", 4096), ("0.001kB", 1), ("0.0009765625KiB", 1),
    ("8388607.5TiB", (8_388_607 << 40) + (1 << 39)),
    ("9223372036854775806", Int.max - 1),
  ]

  @Test(arguments: sizes)
  func `a size is a number, perhaps of units of 1024 or of 1000`(text: String, bytes: Int) throws {
    #expect(try ByteSize(text, for: "memory").bytes == bytes)
  }

  @Test(
    arguments: [
      ("", "not a size"), ("0", "more than 0"), ("0.0GiB", "more than 0"), ("-1", "not a size"),
      ("GiB", "not a size"), ("9223372036854775807", "64 bits"), ("9000000TiB", "64 bits"),
      ("99999999999999999999", "64 bits"), ("٣", "not a size"), ("٣GiB", "not a size"),
      ("80GiBs", "not a size"), ("1e9", "not a size"), (".5GiB", "not a size"),
      ("5.", "not a size"), ("1.2.3GiB", "not a size"), ("1.1KiB", "no whole number of bytes"),
      ("0.5", "is not a size"),
      ("0.0000000000000000000000001TB", "no whole number"), ("80 GiB", "write 80GiB"),
      ("80gib", "write 80GiB"), ("80gb", "write 80GB"), ("80 KB", "write 80kB"),
      ("24G", "write 24GiB (units of 1073741824 bytes) or 24GB (units of 1000000000 bytes)"),
      ("24.5 g", "write 24.5GiB"), ("512m", "write 512MiB (units of 1048576 bytes) or 512MB"),
    ] as [(String, String)])
  func `other sizes are refused in a sentence that says what to write`(text: String, part: String) {
    let error = #expect(throws: ValueError.self) { try ByteSize(text, for: "memory") }
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }
}
