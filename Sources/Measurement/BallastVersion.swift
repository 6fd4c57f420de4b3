/// The version that results carry and `--version` prints.
package enum BallastVersion {
  package static let current = "0.1.0"
}
