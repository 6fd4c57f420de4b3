"""These tests need matplotlib, which .venv has and .venv-pytorch has not: scripts/check-plots runs them."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("matplotlib") else ["test_*.py"]
