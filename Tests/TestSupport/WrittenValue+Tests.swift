package import Values

/// The value that a test writes as text, such as `3+2,1+4` of lengths; an empty one is none.
package func written<Value: WrittenValue>(_ text: String) -> Value {
  do { return try Value(WrittenText(text)) } catch { preconditionFailure("\(text): \(error)") }
}
