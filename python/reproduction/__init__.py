"""Published figures of activation memory beside those that ballast counts."""
