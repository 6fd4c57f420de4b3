"""The lead is found to the token, whoever has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies import crossover
from studies.crossover import Case, Planner

Lines = dict[str, tuple[int, int]]


class Straight(Planner):
    """Peaks that are straight lines in n_c."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(Path("ballast"), Path())
        self.lines = lines
        self.asked = 0

    def planned(self, case: Case, n_c: int) -> dict[str, tuple[int, float]]:
        self.asked += 1
        return {way: (start + slope * n_c, 1.0) for way, (start, slope) in self.lines.items()}


FAR: Lines = {way: (10**12, 0) for way in crossover.WAYS.values()}


@pytest.mark.parametrize("at", [513, 1000, 77_777, 1_048_575])
def test_two_lines(at: int) -> None:
    planner = Straight(FAR | {"checkpointing": (0, 2), "replay": (at, 1)})
    answer = planner.answer(Case())
    assert answer.leads == [(512, "checkpointing"), (at + 1, "replay")]
    assert answer.alone == at + 1 and answer.slope["checkpointing"] == 2
    assert planner.asked <= len(crossover.LENGTHS) + 4  # a straight line's change is guessed


@pytest.mark.parametrize("at", range(1, 1000, 37))
def test_a_kink_before_the_change(at: int) -> None:
    asked = []

    def ahead(n: int) -> tuple[bool, int]:
        asked.append(n)
        by = n - at if n <= at else 10**6 * (n - at)
        return by > 0, by

    assert crossover.change(0, 1000, ahead) == at + 1
    assert at in asked and at + 1 in asked and len(asked) <= 30


def test_a_third_one_between() -> None:
    """Between two lengths of the table the lead may change twice."""
    lines = {"checkpointing": (0, 100), "replay + checkpointing": (60_000, 10), "replay": (69_001, 0)}
    answer = Straight(FAR | lines).answer(Case())
    assert answer.leads == [(512, "checkpointing"), (667, "replay + checkpointing"), (901, "replay")]
    assert crossover.spans(answer) == "checkpointing to 666, replay + checkpointing to 900, replay"


def test_nobody_leads_twice() -> None:
    answer = Straight(FAR | {"replay": (0, 1)}).answer(Case())
    assert answer.leads == [(512, "replay")] and answer.alone == 512
    assert Straight(FAR | {"checkpointing": (0, 1)}).answer(Case()).alone is None
