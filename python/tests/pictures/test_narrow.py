"""The pictures for a phone: one column, letters that can be read, and a place on every page."""

from __future__ import annotations

import csv
import re
import struct
import subprocess
import tempfile
import unittest
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

from checkout import ROOT
from matplotlib import pyplot
from matplotlib.figure import Figure

from ballast_pictures import choice, feeds, flow, narrow, plans, recorded, training

from picture_cases import COMMITTED, PLOT, SWEEPS, PictureTests, shown
from test_recorded_steps import answer
from test_recorded_steps import write as write_rows

PHONE, LEAST = 390, 11  # CSS px: a page's width, the smallest letters on it
MODULES = ("bars", "feeds", "flow", "lines", "over", "plans", "recorded", "rows", "tradeoff",
           "training")
PICTURE = re.compile(
    r'<picture><source media="\(max-width: 600px\)" srcset="([^"]*)">'
    r'<img src="([^"]*)" alt="([^"]+)"></picture>')


def narrow_ones(draw: Callable[[], None]) -> list[Figure]:
    """The narrow figures that are drawn, with the wide ones left out."""
    found: list[Figure] = []

    def wide(figure: Figure, *_: Any) -> None:
        pyplot.close(figure)

    patches = [mock.patch(f"ballast_pictures.{module}.save", wide) for module in MODULES]
    with mock.patch.object(narrow, "save_narrow", lambda figure, *_: found.append(figure)):
        for patch in patches:
            patch.start()
        try:
            draw()
        finally:
            for patch in patches:
                patch.stop()
    return found


class Narrow(PictureTests):
    def check(self, figure: Figure, what: str) -> None:
        figure.canvas.draw()
        wide, tall = figure.get_size_inches() * figure.dpi
        self.assertEqual(figure.get_size_inches()[0], narrow.WIDTH, what)
        boxes = [(t.get_text(), t.get_window_extent()) for t in shown(figure)]
        for text in shown(figure):
            pixels = text.get_fontsize() / 72 / narrow.WIDTH * PHONE
            self.assertGreaterEqual(pixels, LEAST, f"{what}: {text.get_text()!r}")
        for words, box in boxes:
            self.assertTrue(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= tall,
                            f"{what}: {words!r} leaves the picture")
        for (words, box), (other, rival) in combinations(boxes, 2):
            touch = (min(box.x1, rival.x1) - max(box.x0, rival.x0) > 1
                     and min(box.y1, rival.y1) - max(box.y0, rival.y0) > 3)
            self.assertFalse(touch, f"{what}: {words!r} touches {other!r}")

    def test_every_choice(self) -> None:
        for module, table in SWEEPS:
            everything, skipped, shared = self.read(table)
            figures = narrow_ones(
                lambda: choice.draw(Path(), everything, skipped, shared, True))
            self.assertEqual(len(figures), 1)
            self.check(figures[0], module.__name__)

    def test_every_kind_of_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            gpus = Path(folder) / "gpus.csv"
            write_rows(gpus, [answer(memory, 1000 * memory, gpu=gpu,
                                     expandable_segments_fit=2000 * memory)
                              for gpu, memory in (("l4", 22), ("a100-80gb", 79), ("h100", 78))],
                       recorded.PLANS)
            one = Path(folder) / "one.csv"
            with open(COMMITTED / "plan.csv", newline="") as file:
                rows = [row for row in csv.DictReader(file)
                        if int(row["memory_bytes"]) == 80 * 2**30]
            write_rows(one, list(rows), list(rows[0]))
            for name, count, draw in (
                    ("flow", 1, lambda: flow.draw(COMMITTED / "flow.csv", 24, True)),
                    ("plan", 1, lambda: plans.draw(COMMITTED / "plan.csv", True)),
                    ("one memory", 1, lambda: plans.draw(one, True)),
                    ("GPUs", 1, lambda: recorded.draw_plan(gpus, True)),
                    ("training", 1, lambda: training.draw(COMMITTED / "training.csv", True)),
                    ("two layers", 3,
                     lambda: feeds.draw(COMMITTED / "gradient-two-layers.csv", True))):
                figures = narrow_ones(draw)
                self.assertEqual(len(figures), count, name)
                for figure in figures:
                    self.check(figure, name)


class Pages(unittest.TestCase):
    def test_every_picture_of_a_page_has_its_narrow_one(self) -> None:
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            text = page.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"!\[[^\]]*\]\([^)]*\.png\)", page.name)
            self.assertEqual(text.count("<img "), len(PICTURE.findall(text)), page.name)
            for small, wide, _ in PICTURE.findall(text):
                self.assertEqual(small, wide.replace(".png", "-narrow.png"))
                self.assertTrue((page.parent / wide).exists(), wide)
                with open(page.parent / small, "rb") as file:
                    width, _ = struct.unpack(">II", file.read(24)[16:])
                self.assertEqual(width, 144 * narrow.WIDTH, small)


class Tables(unittest.TestCase):
    def test_numbers_behind_a_picture_are_a_markdown_table(self) -> None:
        done = subprocess.run([PLOT, "--table", COMMITTED / "depth"], capture_output=True,
                              text=True, check=True)
        rows = done.stdout.splitlines()
        self.assertEqual(len(rows), 6)
        self.assertEqual(len({row.count("|") for row in rows}), 1)
        self.assertTrue(rows[0].startswith("| at layers = 16 | retained |"), rows[0])
        self.assertEqual(list((COMMITTED / "depth").glob("*.png")), [])
