"""What scripts/check-plots makes of tests that pass, fail, or are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import Failure
from checks import plots

TEST = """
import unittest


class Tests(unittest.TestCase):
    def test_well(self):
        pass

    def test_badly(self):
        self.fail()
"""


@pytest.mark.parametrize("module, words, status", [
    ("test_of_plots_all", [], 1), ("test_of_plots_some", ["-k", "well"], 0),
    ("test_of_plots_failing", ["-k", "well", "-k", "badly"], 1)])
def test_statuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, words: list[str],
                  status: int) -> None:
    monkeypatch.setattr(plots, "TESTS", tmp_path)
    monkeypatch.setattr(plots, "find_spec", lambda name: name)
    monkeypatch.syspath_prepend(tmp_path)  # as the loader does, and takes back
    (tmp_path / f"{module}.py").write_text(TEST)
    assert plots.main(words) == status


def test_no_tests_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plots, "TESTS", tmp_path)
    monkeypatch.setattr(plots, "find_spec", lambda name: name)
    with pytest.raises(Failure, match="no such tests"):
        plots.main([])
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(Failure, match="scripts/setup --plot"):
        plots.main([])
