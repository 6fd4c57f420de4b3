"""The pictures of results: what scripts/plot draws."""
