"""Checks of what is written down: pages, their tables of options, and pictures of a step."""
