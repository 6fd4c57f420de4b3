"""Laws of a recording: what every event of a step is at lengths that were not recorded."""
