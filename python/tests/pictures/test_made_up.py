"""What is added to the schema is in the pictures, which know nothing of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from checkout import ROOT

from ballast_pictures.schema import AXES

from picture_cases import MODES, POLICIES, Row, row, sweep, write

SOURCE = ROOT / "python/ballast_pictures"


class MadeUp(unittest.TestCase):
    DRAW = """
import sys
from pathlib import Path
from ballast_pictures import bars, choice, costs, lines, over, rows, tradeoff
from ballast_pictures.data import read

def say(figure, *_):
    for text in figure.findobj(lambda a: hasattr(a, "get_text")):
        print(text.get_text().replace(chr(10), " "))

for module in (bars, lines, over, rows, tradeoff):
    module.save = say
choice.draw(Path(), *read(Path(sys.argv[1])))
for row in costs.rows(read(Path(sys.argv[1]))[0]):
    print(*row, sep=chr(10))
"""

    def said(self, table: list[Row], **entries: dict[str, Any]) -> str:
        """The texts of the picture of a table, by pictures whose schema has more entries."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "ballast_pictures"
            shutil.copytree(SOURCE, copy)
            schema = json.loads((SOURCE / "schema.json").read_text(encoding="utf-8"))
            for part, entry in entries.items():
                schema[part].append(entry)
            (copy / "schema.json").write_text(json.dumps(schema))
            points = Path(folder) / "points.csv"
            write(points, table)
            done = subprocess.run([sys.executable, "-c", self.DRAW, points], cwd=folder, text=True,
                                  capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_region(self) -> None:
        table = [{**row(recompute=policy), "retained_margin_bytes": 4321} for policy in POLICIES[::3]]
        for r in table:
            r["retained_bytes"] += 4321
        said = self.said(table, regions={
            "name": "margin", "column": "margin_bytes", "figure": "retained_margin_bytes",
            "is_of_prefix": False, "is_optional": True, "meaning": "kept beside {n_c}"})
        for words in ("margin", "4,321", "kept beside the 64 prefix tokens"):
            self.assertIn(words, said)

    def test_a_mode(self) -> None:
        said = self.said([row(), {**row(), "mode": "folded-prefix"}], modes={
            "name": "folded-prefix", "is_exact": False, "prefix_rows": "recorded",
            "meaning": "the prefix is folded", "sentence": ""})
        self.assertIn("the prefix is folded", said)

    def test_an_axis(self) -> None:
        axis = {**AXES["recompute"], "name": "flavour", "words": ["sweet", "sour"], "default": "sweet",
                "label": "flavour {}", "told": "flavour {}", "ways": {"sour": "souring"},
                "reference": "sweet"}
        table = [{**row(), "flavour": "sweet"}, {**row(recompute="layer"), "flavour": "sour"}]
        table[1]["recompute"] = "none"
        said = self.said(table, axes=axis)
        for words in ("flavour sweet", "flavour sour", "Souring: exact gradient, 75 % fewer bytes"):
            self.assertIn(words, said)

    def test_a_figure(self) -> None:
        table = [{**r, "folds_bytes": 7 * 2**20} for r in sweep(mode=MODES, recompute=POLICIES)]
        said = self.said(table, figures={
            "name": "folds_bytes", "label": "folds", "unit": "bytes", "phase": "step", "region": None,
            "is_prediction": False, "is_cost": True})
        for words in ("folds", "7.0 MiB"):
            self.assertIn(words, said.split("\n"))
