"""Pictures of a recorded step over its lengths, and over memories."""

from __future__ import annotations

import csv
import tempfile
import unittest
from pathlib import Path
from typing import Any

from ballast_pictures import recorded
from ballast_pictures.files import Unplottable

from picture_cases import Row


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


def point(n_c: int, **others: Any) -> Row:
    return {"model": "m", "n_c": n_c, "n_g": 64, "batch": 1, "status": "ok", "mode": "full-graph",
            "retained_bytes": 2**30 + n_c, "peak_allocated_bytes": 2**31 + n_c,
            "peak_reserved_bytes": 2**31 + 2 * n_c} | others


class InFolder(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def pictures(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()
                      if path.suffix in (".png", ".svg") and path.stat().st_size > 5000)


class RecordedPlans(InFolder):
    def plan(self, rows: list[Row]) -> Path:
        return write(self.folder / "plan.csv", rows, recorded.PLANS)

    def test_what_fits_over_memory(self) -> None:
        path = self.plan([answer(24, ""), answer(48, 5000, expandable_segments_fit=7000),
                          answer(80, 20_000)])
        self.assertTrue(recorded.is_plan(path))
        lines, row = recorded.read(path)
        self.assertEqual([(one.memory, one.fits, one.expandable) for one in lines["a"]],
                         [(24, None, None), (48, 5000, 7000), (80, 20_000, None)])
        self.assertEqual(recorded.finding(lines, "n_c", False),
                         "5,000 prompt tokens in 48 GiB, 20,000 in 80 GiB")
        self.assertEqual(recorded.subtitle(row), "m, n_g 512, batch 1")
        recorded.draw_plan(path)
        self.assertEqual(self.pictures(), ["plan.png", "plan.svg"])

    def test_gpus_and_several_recordings(self) -> None:
        path = self.plan([answer(memory, 1000 * memory, gpu=gpu, file=file)
                          for gpu, memory in (("l4", 22), ("a100-80gb", 79), ("h100", 78))
                          for file in ("plain", "recordings/lora")])
        lines, _ = recorded.read(path)
        self.assertEqual(list(lines), ["plain", "recordings/lora"])
        self.assertEqual(recorded.finding(lines, "n_c", True),
                         "22,000 prompt tokens on l4, 79,000 on a100-80gb")
        self.assertEqual(recorded.label(79, {79: "a100-80gb", 78: "h100", 22: "l4"}),
                         "a100-80gb, h100: 79 GiB")
        recorded.draw_plan(path)
        self.assertEqual(self.pictures(), ["plan.png", "plan.svg"])

    def test_the_largest_batch(self) -> None:
        path = self.plan([answer(24, 1000, solves="batch", batch=3),
                          answer(80, 1000, solves="batch", batch=12)])
        lines, row = recorded.read(path)
        self.assertEqual(recorded.finding(lines, "batch", False), "3 sequences in 24 GiB, 12 in 80 GiB")
        self.assertEqual(recorded.subtitle(row), "m, n_g 512, n_c 1000")
        recorded.draw_plan(path)

    def test_what_makes_no_picture_is_a_sentence(self) -> None:
        for rows, words in (
            ([], "holds no row"), ([answer(24, "")], "in none of its memories"),
            ([answer(24, "many")], "a figure that is none"),
            ([answer(24, 5, memory_bytes="")], "no memory"), ([answer(24, 5, solves="")], "with laws"),
            ([answer(24, 5, file=str(number)) for number in range(9)], "9 recordings"),
        ):
            with self.subTest(words), self.assertRaisesRegex(Unplottable, words):
                recorded.draw_plan(self.plan(rows))
            self.assertEqual(self.pictures(), [])


class RecordedSweeps(InFolder):
    def sweep(self, rows: list[Row]) -> Path:
        write(self.folder / "points.csv", rows, [*recorded.POINTS, "mode"])
        return self.folder

    def test_a_recorded_step_over_its_lengths(self) -> None:
        folder = self.sweep([point(4096), point(1024),
                             point(9000, status="out-of-memory", peak_allocated_bytes="")])
        self.assertTrue(recorded.is_sweep(folder))
        recorded.draw_sweep(folder)
        self.assertEqual(self.pictures(), ["peaks.png", "peaks.svg"])

    def test_a_cpu_reserves_nothing(self) -> None:
        recorded.draw_sweep(self.sweep([point(10, peak_reserved_bytes=""),
                                        point(20, peak_reserved_bytes="")]))
        self.assertEqual(self.pictures(), ["peaks.png", "peaks.svg"])

    def test_other_results_are_none_of_these(self) -> None:
        for rows in (
            [point(10)], [point(10), point(20, mode="pruned-graph")],
            [point(10, peak_allocated_bytes=""), point(20, peak_allocated_bytes="")],
        ):
            self.assertFalse(recorded.is_sweep(self.sweep(rows)))
        self.assertFalse(recorded.is_sweep(Path("nowhere")))
