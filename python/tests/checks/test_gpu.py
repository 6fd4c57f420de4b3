"""What is held against a trace of a GPU: replays of its requests, and recorded steps."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from checkout import Failure
from checks import gpu, gpu_allocator, gpu_programs, gpu_recorded, gpu_releases
from checks.gpu_allocator import Replayed
from checks.gpu_programs import Program
from checks.gpu_recorded import Fit
from checks.gpu_traces import Trace
from comparison.streams import Stream

FIGURES = {"reserved_start": 0, "reserved_peak": 4, "reserved_end": 4, "allocated_end": 2}


def trace(is_expandable: bool = False) -> Trace:
    return Trace("by_hand_0", {
        "source": ["owner/name", "", ""], "device": 0, "pre": [[0, 700]],
        "segments": [[0, 4, True, 0, is_expandable, []]],
        "events": [["a", 0, 600, "mm", 1024], ["a", 1, 100, "", 2048], ["f", 0], ["f", "p0"]],
        **FIGURES})


def answer(*equal: int, **changes: Any) -> dict[str, Any]:
    return {"allocations": 2, "run": FIGURES | changes, "agreements": [
        {"start": "cold", "order": "up", "allocations": 2, "reserved_equal": one, "same_address": 0,
         "peak_reserved": 4, "reserved_end": 4, "allocated_end": 2} for one in equal]}


def test_a_replay_holds_in_one_order_of_addresses() -> None:
    found = Replayed(trace(), answer(1, 2, 0))
    assert found.troubles == []
    assert [line[0] for line in gpu_allocator.lines(found)] == ["✓", " ", " "]


@pytest.mark.parametrize(("given", "sentence"), [
    (answer(1, 0), "reserved bytes differ after 1 allocations"),
    (answer(), "no replay"),
    (answer(2, reserved_end=5), "reserved_end is read as 5 and was 4"),
    (answer(2) | {"allocations": 3}, "3 allocations are read of 2"),
])
def test_a_replay_that_does_not_hold_is_told(given: dict[str, Any], sentence: str) -> None:
    found = Replayed(trace(), given)
    assert any(re.search(sentence, trouble) for trouble in found.troubles)
    assert gpu_allocator.lines(found)[-1].strip() == found.troubles[-1]


def test_an_expandable_one_may_differ_once() -> None:
    assert Replayed(trace(is_expandable=True), answer(1)).troubles == []
    assert Replayed(trace(is_expandable=True), answer(0)).troubles


def recorded(first: int, stands: int = 700) -> Stream:
    return Stream([stands, first, 100], ["", "aten::mm", ""], [1, 2, -2, -1], 1)


def test_a_recorded_step_is_held_against_a_trace() -> None:
    same = gpu_recorded.hold(recorded(600), trace())
    assert same.holds and same.alignment.share == 1 and same.releases.equal == 2
    assert same.peaks == (1024 + 1024 + 512,) * 2
    # What stands before belongs to the program's start, and not to the step.
    assert gpu_recorded.hold(recorded(600, stands=2000), trace()).holds
    other = gpu_recorded.hold(recorded(2000), trace())
    assert not other.holds and other.growth == 1024
    assert gpu_recorded.lines(other, Fit(4, 4, 4))[1:] == [
        "    recorded alone: 1 × aten::mm, 2,000 bytes", "    really alone: 1 × mm, 600 bytes"]


@pytest.mark.parametrize(("fitting", "asked"), [(0, 1), (1, 2), (None, 2)])
def test_ways_of_calling_are_tried_until_one_fits(
        fitting: int | None, asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ways: list[int] = []

    def record(program: Program, of: Trace, checkouts: Path, path: Path, way: int) -> Stream:
        ways.append(way)
        return recorded(600 if way == fitting else 2000)

    monkeypatch.setattr(gpu_recorded, "record", record)
    monkeypatch.setattr(gpu_recorded, "fits", lambda *_: Fit(4, 4, 4))
    program = Program("owner/name", re.compile("by_hand_0"), "h100", (), print, ways=2)
    found, fit = gpu_recorded.held(program, trace(), tmp_path)
    assert ways == list(range(asked))
    assert found.holds is (fitting is not None) and fit.holds


def test_a_process_that_ran_more_is_not_judged_by_what_it_reserved() -> None:
    assert Fit(9, 4, 6, is_judged=False).holds
    found = gpu_recorded.hold(recorded(600), trace())
    assert gpu_recorded.lines(found, Fit(9, 4, 6, is_judged=False))[0].endswith("its process")


@pytest.mark.parametrize(("real", "holds"), [(3, False), (4, True), (6, True), (7, False)])
def test_reserved_bytes_lie_in_a_range(real: int, holds: bool) -> None:
    assert Fit(real, 4, 6).holds is holds


def test_programs_are_known_by_their_traces() -> None:
    def program(name: str, repository: str = "?") -> Program | None:
        return gpu_programs.of(Trace(name, {"source": [repository, "", ""]}))

    found = program("wed_256_training_0", "Wedsonlin/assignment2-systems")
    assert found is not None and found.repository == "Wedsonlin/assignment2-systems"
    assert program("wed_256_training_0", "somebody/else") is None
    niu = program("niu_forward_memory_snapshot_200_mixed_precision_0")
    assert niu is not None and niu.repository == "NiuHuangxiaozi/assignment2-systems"
    assert program("other_0") is None


def test_a_program_says_where_its_trace_begins(tmp_path: Path) -> None:
    (tmp_path / "cs336_by_hand.py").write_text(
        "import torch, einx\nimport torch.cuda.nvtx as nvtx\n"
        "@nvtx.range('run')\ndef run():\n"
        "    torch.cuda.memory._record_memory_history(max_entries=9)\n"
        "    torch.cuda.synchronize()\n    torch.cuda.memory._dump_snapshot('x')\n"
        "    torch.cuda.memory._record_memory_history(enabled=None)\n")
    heard: list[str] = []
    before = (torch.cuda.synchronize, list(sys.path))
    with gpu_programs.importing([tmp_path]), gpu_programs.answered(heard.append):
        __import__("cs336_by_hand").run()
    assert heard == ["begin", "end"]
    assert (torch.cuda.synchronize, list(sys.path)) == before
    assert "cs336_by_hand" not in sys.modules


def test_programs_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    for number in (1, 2):  # `parts` is a folder without a file of its own
        folder = tmp_path / str(number) / "cs336_twice" / "parts"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / "one.py").write_text(f"NUMBER = {number}\n")
        with gpu_programs.importing([tmp_path / str(number)]):
            assert importlib.import_module("cs336_twice.parts.one").NUMBER == number


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="needs no_such_package: pip install"), \
            gpu_programs.importing([tmp_path]):
        __import__("no_such_package")


def test_an_older_release_fills_zeros_for_whole_slices() -> None:
    x = torch.ones(2, 3, 4, requires_grad=True)
    with gpu_releases.two_two():
        taken = x[:, -1, :]
        assert "WholeSlice" in type(taken.grad_fn).__name__
        assert torch.equal(torch.nn.init.trunc_normal_(torch.ones(2)), torch.ones(2))
    assert torch.equal(taken, x[:, -1, :])


@pytest.mark.parametrize("equation", [
    "oi,...i->...o", "oi,bsi->bso", "bsi,oi->bso", "...qd,...kd->...qk", "abc,cd->dab"])
def test_an_older_release_leaves_the_operands_of_an_einsum_in_order(equation: str) -> None:
    given = equation.partition("->")[0].split(",")
    sizes = {axis: 2 + place for place, axis in enumerate("abcdikoqs")}
    operands = [torch.rand([sizes[axis] for axis in one.replace("...", "ab")]) for one in given]
    new = torch.einsum(equation, operands)
    with gpu_releases.two_six():
        old = torch.einsum(equation, *operands)
    assert torch.allclose(old, new)
    if equation == "oi,bsi->bso":  # [o, b · s] is what was multiplied
        assert old.stride(-1) == sizes["b"] * sizes["s"] and new.is_contiguous()


def test_without_traces_there_is_nothing_to_hold_against(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert gpu.main([str(folder)]) == 0
        assert "nothing to hold against" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        gpu.main([])
    assert ended.value.code == 64
