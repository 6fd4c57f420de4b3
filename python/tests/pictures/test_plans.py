"""Pictures of what `ballast plan --memory` prints."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from ballast_pictures import plans
from ballast_pictures.files import Unplottable

from picture_cases import Row, write


class Plans(unittest.TestCase):
    def read(self, rows: list[Row],
             ) -> tuple[tuple[dict[str, list[plans.Best]], dict[str, str], list[float]], list[str]]:
        """What the package reads of a plan of these rows, and the names of the pictures that it draws."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plan.csv"
            write(path, rows, [*plans.COLUMNS, "counted_bytes", "batch"])
            self.assertTrue(plans.is_plan(path))
            return plans.read(path), self.pictures(path)

    def pictures(self, path: Path) -> list[str]:
        try:
            plans.draw(path)
        except Unplottable:
            return []
        return sorted(p.name for p in path.parent.iterdir() if p.stat().st_size > 5000)

    def row(self, **values: Any) -> Row:
        return {"mode": "full-graph", "recompute": "none", "attention": "fused", "model": "m",
                "head": "loss-rows", "dtype": "bfloat16", "n_g": 512, "n_c": 1000, "batch": 1,
                "memory_bytes": 2**34, "fits": "yes", "counted": "parameters+optimizer",
                "optimizer": "adamw", "gradient_dtype": "bfloat16", "relative_work": 1.0,
                "gradient": "exact", "source": "counted on shapes", "counted_bytes": 1, **values}

    def test_the_best_of_each_mode_within_each_memory_is_drawn(self) -> None:
        rows = [self.row(memory_bytes=m * 2**30, recompute=r, n_c=m * n, relative_work=w)
                for m in (16, 32) for r, n, w in (("none", 10, 1.0), ("layer", 40, 1.3))]
        rows += [self.row(memory_bytes=2**33, fits="no", n_c=0),
                 self.row(mode="detached-prefix", memory_bytes=2**35, n_c=9000)]
        (lines, _, memories), pictures = self.read(rows)
        self.assertEqual(memories, [8, 16, 32])
        self.assertEqual([(b.memory, b.n_c, b.work) for b in lines["full-graph"]],
                         [(16, 640, 1.3), (32, 1280, 1.3)])
        self.assertEqual([b.n_c for b in lines["detached-prefix"]], [9000])
        self.assertEqual(pictures, ["plan.png", "plan.svg"])
        self.assertIn("Not even a step without a prefix fits 8 GiB.",
                      plans.notes(rows[0], lines, memories))

    def test_one_memory_is_bars(self) -> None:
        _, pictures = self.read([self.row(), self.row(mode="detached-prefix", n_c=5)])
        self.assertEqual(pictures, ["plan.png", "plan.svg"])

    def test_what_is_no_answer_about_memories_is_a_sentence(self) -> None:
        for rows, words in (([], "no row"), ([self.row(memory_bytes="")], "how long one fits"),
                            ([self.row(n_c="many")], "a figure that is none")):
            with self.assertRaisesRegex(Unplottable, words):
                self.read(rows)
        self.assertEqual(self.read([self.row(fits="no")])[1], [])
