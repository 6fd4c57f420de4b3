"""What the example trains, in short: exact modes learn alike, a detached prompt does not."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch

from checkout import ROOT
from comparison.prefix_models import in_float64

PROGRAM = ROOT / "examples/what_detaching_costs.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = spec_from_file_location("what_detaching_costs", PROGRAM)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["lookup", "copy"])
def test_exact_modes_have_the_full_graph_s_losses(example: Any, name: str) -> None:
    """In float64, norms included, so that what is not the same shows."""
    task = example.TASKS[name]
    chance = torch.Generator().manual_seed(3)
    batches = [task.draw(4, chance) for _ in range(20)]
    losses = {}
    for mode, keep in (("full", 0), ("pruned", 0), ("replayed", 0), ("detached", 0),
                       ("detached", task.keep)):
        one = example.Training(task, mode, keep, seed=5)
        one.model.double()
        with in_float64():
            for batch in batches:
                one.step(*batch)
        losses[mode, keep] = torch.tensor(one.losses, dtype=torch.float64)
    whole = losses.pop(("full", 0))
    for (mode, keep), found in losses.items():
        torch.testing.assert_close(found[0], whole[0], rtol=1e-12, atol=0)  # of the same weights
        difference = (found - whole).abs().max().item()
        if mode == "detached":
            assert difference > 5e-3, keep
        else:
            assert difference < 1e-12, mode


@pytest.mark.parametrize("name", ["lookup", "copy"])
def test_answers_stand_in_the_prompt(example: Any, name: str) -> None:
    task = example.TASKS[name]
    ids, labels = task.draw(64, torch.Generator().manual_seed(1))
    assert 0 <= int(ids.min()) and int(ids.max()) < task.words
    carries = labels != example.IGNORED
    assert not carries[:, :task.n_c].any() and carries[:, task.n_c].all()
    assert (carries == carries[0]).all() and labels[carries].equal(ids[carries])
    for row in ids.tolist():
        bar = row.index(task.words - 1)
        prompt, completion = row[:bar], row[bar + 1:]
        if name == "copy":
            assert completion == prompt
            continue
        values = dict(zip(prompt[::2], prompt[1::2], strict=True))
        assert sorted(values) == list(range(8)) and set(values.values()) <= set(range(8, 16))
        asked = completion[::2]
        assert len(set(asked)) == 4 and completion[1::2] == [values[key] for key in asked]


@pytest.mark.parametrize("name", ["lookup", "copy"])
def test_bytes(example: Any, name: str) -> None:
    """A detached prompt keeps least; an exact mode less than the full graph."""
    task = example.TASKS[name]
    peaks = {one: example.peak_bytes(task, *one)
             for one in (("full", 0), ("replayed", 0), ("detached", 0), ("detached", task.keep))}
    weights = 2 * sum(p.nbytes for p in example.small_model(task).parameters())
    assert weights < peaks["detached", 0] <= peaks["replayed", 0] < peaks["full", 0]
    assert peaks["detached", 0] < peaks["detached", task.keep] < peaks["full", 0]


def test_a_quick_run(tmp_path: Path) -> None:
    """The program as a user starts it."""
    done = subprocess.run(
        [sys.executable, PROGRAM, "--quick", "--task", "copy", "--modes", "full,pruned,kept",
         "--output", tmp_path / "a/b"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "a/b/training.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["mode"], row["keep"], row["step"]) for row in rows] == [
        (mode, keep, step) for step in ("10", "20")
        for mode, keep in (("full", "0"), ("pruned", "0"), ("detached", "8"))]
    assert rows[0]["accuracy"] == rows[1]["accuracy"]
    assert float(rows[0]["loss"]) == pytest.approx(float(rows[1]["loss"]), rel=1e-5)
    assert "bytes at the peak" in done.stdout and len(done.stdout.splitlines()) == 4
