"""Training steps whose memory others have published, recorded; see scripts/record-published."""
