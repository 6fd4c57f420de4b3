"""Pictures of a recorded step over its lengths, and over memories."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pictures import recorded
from pictures.files import Unplottable

Row = dict[str, Any]


def write(path: Path, rows: list[Row], columns: list[str]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def answer(memory: int, n_c: int | str, **others: Any) -> Row:
    return {"file": "a", "model": "models/m", "gpu": "", "memory_bytes": memory * 2**30, "solves": "n_c",
            "fits": "yes" if n_c != "" else "no", "n_c": n_c, "n_g": 512, "batch": 1,
            "ended_by": "memory", "tensors_fit_until": "", "expandable_segments_fit": ""} | others


def plan(folder: Path, rows: list[Row]) -> Path:
    return write(folder / "plan.csv", rows, recorded.PLANS)


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".svg")
                  and path.stat().st_size > 5000)


def test_what_fits_over_memory(tmp_path: Path) -> None:
    path = plan(tmp_path, [answer(24, ""), answer(48, 5000, expandable_segments_fit=7000),
                           answer(80, 20_000)])
    assert recorded.is_plan(path)
    lines, row = recorded.read(path)
    assert [(one.memory, one.fits, one.expandable) for one in lines["a"]] == [
        (24, None, None), (48, 5000, 7000), (80, 20_000, None)]
    assert recorded.finding(lines, "n_c", False) == \
        "5,000 prompt tokens in 48 GiB, 20,000 in 80 GiB"
    assert recorded.subtitle(row) == "m, n_g 512, batch 1"
    recorded.draw_plan(path)
    assert pictures(tmp_path) == ["plan.png", "plan.svg"]


def test_gpus_and_several_recordings(tmp_path: Path) -> None:
    path = plan(tmp_path, [answer(memory, 1000 * memory, gpu=gpu, file=file)
                           for gpu, memory in (("l4", 22), ("a100-80gb", 79), ("h100", 78))
                           for file in ("plain", "recordings/lora")])
    lines, _ = recorded.read(path)
    assert list(lines) == ["plain", "recordings/lora"]
    assert recorded.finding(lines, "n_c", True) == "22,000 prompt tokens on l4, 79,000 on a100-80gb"
    assert recorded.label(79, {79: "a100-80gb", 78: "h100", 22: "l4"}) == "a100-80gb, h100: 79 GiB"
    recorded.draw_plan(path)
    assert pictures(tmp_path) == ["plan.png", "plan.svg"]


def test_the_largest_batch(tmp_path: Path) -> None:
    path = plan(tmp_path, [answer(24, 1000, solves="batch", batch=3),
                           answer(80, 1000, solves="batch", batch=12)])
    lines, row = recorded.read(path)
    assert recorded.finding(lines, "batch", False) == "3 sequences in 24 GiB, 12 in 80 GiB"
    assert recorded.subtitle(row) == "m, n_g 512, n_c 1000"
    recorded.draw_plan(path)


@pytest.mark.parametrize("rows, words", [
    ([], "holds no row"), ([answer(24, "")], "in none of its memories"),
    ([answer(24, "many")], "a figure that is none"), ([answer(24, 5, memory_bytes="")], "no memory"),
    ([answer(24, 5, solves="")], "with laws"),
    ([answer(24, 5, file=str(number)) for number in range(9)], "9 recordings"),
])
def test_what_makes_no_picture_is_a_sentence(rows: list[Row], words: str, tmp_path: Path) -> None:
    with pytest.raises(Unplottable, match=words):
        recorded.draw_plan(plan(tmp_path, rows))
    assert pictures(tmp_path) == []


def point(n_c: int, **others: Any) -> Row:
    return {"model": "m", "n_c": n_c, "n_g": 64, "batch": 1, "status": "ok", "mode": "full-graph",
            "retained_bytes": 2**30 + n_c, "peak_allocated_bytes": 2**31 + n_c,
            "peak_reserved_bytes": 2**31 + 2 * n_c} | others


def sweep(folder: Path, rows: list[Row]) -> Path:
    write(folder / "points.csv", rows, [*recorded.POINTS, "mode"])
    return folder


def test_a_recorded_step_over_its_lengths(tmp_path: Path) -> None:
    folder = sweep(tmp_path, [point(4096), point(1024), point(9000, status="out-of-memory",
                                                              peak_allocated_bytes="")])
    assert recorded.is_sweep(folder)
    recorded.draw_sweep(folder)
    assert pictures(tmp_path) == ["peaks.png", "peaks.svg"]


def test_a_cpu_reserves_nothing(tmp_path: Path) -> None:
    recorded.draw_sweep(sweep(tmp_path, [point(10, peak_reserved_bytes=""),
                                         point(20, peak_reserved_bytes="")]))
    assert pictures(tmp_path) == ["peaks.png", "peaks.svg"]


def test_other_results_are_none_of_these() -> None:
    for rows in ([point(10)], [point(10, peak_allocated_bytes=""), point(20, peak_allocated_bytes="")],
                 [point(10), point(20, mode="pruned-graph")]):
        with tempfile.TemporaryDirectory() as folder:
            assert not recorded.is_sweep(sweep(Path(folder), rows))
    assert not recorded.is_sweep(Path("nowhere"))
