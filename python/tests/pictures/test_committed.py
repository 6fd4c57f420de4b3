"""Pictures of the results in Tests/Fixtures/pictures."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from pictures import flow, lines
from pictures.data import read
from pictures.findings import finding

from picture_cases import COMMITTED, PLOT

Rows = dict[tuple[str, str, int], dict[str, str]]


class Committed(unittest.TestCase):
    def draw(self, target: Path) -> dict[str, bytes]:
        """Every picture, drawn by the program itself from copies of the results."""
        shutil.copytree(COMMITTED, target, dirs_exist_ok=True)
        folders = sorted(path for path in target.iterdir() if path.is_dir())
        for argument in [*folders, f"{target}/flow.csv:24", target / "plan.csv",
                         target / "training.csv"]:
            subprocess.run([PLOT, argument], check=True)
        return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*.svg")}

    def test_a_second_run_is_the_same_to_the_byte(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            first, second = self.draw(Path(one)), self.draw(Path(other))
        self.assertEqual(len(first), 9)
        self.assertEqual(first, second)

    def test_titles_say_what_the_rows_say(self) -> None:
        def points(name: str) -> Rows:
            with open(COMMITTED / name / "points.csv", newline="") as file:
                return {(r["mode"], r["recompute"], int(r["n_c"])): r for r in csv.DictReader(file)}

        def fewer(row: dict[str, str], whole: dict[str, str], figure: str) -> str:
            return f"{100 - 100 * int(row[figure]) / int(whole[figure]):.0f} %"

        for name, peaks, length in (("modes", True, 4096), ("modes", False, 4096),
                                    ("one-layer", False, 4096), ("recompute", True, 2048)):
            everything, _, _ = read(COMMITTED / name / "points.csv")
            title, rows = finding(everything, peaks), points(name)
            figure = "peak_bytes" if peaks else "retained_bytes"
            less = "peak {} lower" if peaks else "{} fewer bytes"
            whole = rows["full-graph", "none", length]
            saved = fewer(rows["detached-prefix", "none", length], whole, figure)
            # Of all lengths at which it cuts, not the mildest alone.
            errors = [100 * float(r["gradient_relative_error"]) for (mode, _, n_c), r in rows.items()
                      if mode == "detached-prefix" and n_c > 1]
            low, high = f"{min(errors):.2g}", f"{max(errors):.2g}"
            self.assertIn(f"off by {low} to {high} %", title)
            if exact := rows.get(("replayed-prefix", "none", length)):
                self.assertIn("Replay: exact gradient, "
                              + less.format(fewer(exact, whole, figure)), title)
                self.assertIn(f"detaching: {saved} {'lower' if peaks else 'fewer'}", title)
            else:
                self.assertIn(f"Detaching: {less.format(saved)}", title)
                self.assertNotIn("exact", title)

    def test_modes_with_equal_bytes_show_their_peaks(self) -> None:
        everything, _, _ = read(COMMITTED / "modes/points.csv")
        self.assertTrue(lines.shows_peaks(everything))
        everything, _, _ = read(COMMITTED / "one-layer/points.csv")
        self.assertFalse(lines.shows_peaks(everything))

    def test_the_map_names_what_the_prefix_spares(self) -> None:
        panels = flow.read(COMMITTED / "flow.csv")
        self.assertEqual(flow.finding(panels, 24), "In the last layer only the last prefix row feeds "
                         "W_Q, W_O, W_gate, W_up and W_down")
        for norms in panels[-2].weights.values():
            norms[23] = 0.0  # as with loss on generated rows alone
        self.assertEqual(flow.finding(panels, 24), "In the last layer no prefix row feeds "
                         "W_Q, W_O, W_gate, W_up and W_down")
        self.assertIn("last column", " ".join(flow.caption(panels)))
