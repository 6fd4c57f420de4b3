/// Stand-in until OneDNN.Threads is merged.
enum Threads {
  static func set(_ count: Int) {}
  static func parallel(rows: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    if rows > 0 { body(0..<rows) }
  }
}
