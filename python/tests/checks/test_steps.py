"""Steps of CI: order, what they print, what a failure does."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.steps import Step, parsed, ready, run

TABLE = """
# A comment.
build: : make
*python: : pytest -q a:b
test: build: make test
report: build test: open
"""


def test_a_table_is_read() -> None:
    steps = parsed(TABLE)
    assert steps[1] == Step("python", (), "pytest -q a:b", is_niced=True)
    assert steps[3].needs == ("build", "test")
    for text in ("no colon", "a: b: c"):
        with pytest.raises(SystemExit):
            parsed(text)


def test_what_is_ready() -> None:
    steps = parsed(TABLE)
    assert ready(steps, set(), set()) == steps[0]
    assert ready(steps, {"build"}, set()) == steps[1]
    assert ready(steps, {"build", "python"}, {"python"}) is None
    assert ready(steps, {"build"}, {"build"}) == steps[1]  # the table's first
    assert ready(steps, {"build", "python"}, {"build"}) == steps[2]
    assert ready(steps, {step.name for step in steps}, set()) is None


def test_a_step_waits_for_its_needs_and_prints_in_one_piece(tmp_path: Path) -> None:
    said: list[str] = []
    # `two` ends only if `one` runs beside it; `three` finds what both left.
    done = run(parsed(f"""
one: : cd {tmp_path} && while [ ! -e begun ]; do sleep 0.01; done; echo a; echo b >&2; touch one
two: : cd {tmp_path} && touch begun; while [ ! -e one ]; do sleep 0.01; done
three: one two: ls {tmp_path}/one
"""), said.append)
    assert [one.status for one in done] == [0, 0, 0] and done[-1].step.name == "three"
    [of_one] = [text for text in said if text.startswith("── one:")]  # either may end first
    assert "a\nb\n" in of_one


def test_after_a_failure_none_starts() -> None:
    said: list[str] = []
    done = run(parsed("one: : exit 3\ntwo: one: true\nthree: : true"), said.append, at_a_time=1)
    assert [(one.step.name, one.status) for one in done] == [("one", 3)]
    assert "one, which failed with 3" in said[0]
