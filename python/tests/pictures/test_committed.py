"""Pictures of the results in Tests/Fixtures/pictures."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from ballast_pictures import flow, lines
from ballast_pictures.data import read
from ballast_pictures.findings import finding

from picture_cases import COMMITTED, PLOT

Rows = dict[tuple[str, str, int], dict[str, str]]


class Committed(unittest.TestCase):
    def draw(self, target: Path) -> dict[str, bytes]:
        """Every picture, drawn by the program itself from copies of the results."""
        shutil.copytree(COMMITTED, target, dirs_exist_ok=True)
        folders = sorted(path for path in target.iterdir() if path.is_dir())
        files = [target / f"{name}.csv" for name in (
            "plan", "training", "gradient", "gradient-two-layers", "gradient-detached")]
        subprocess.run([PLOT, "--narrow", *folders, f"{target}/flow.csv:24", *files], check=True)
        for picture in target.rglob("*.svg"):
            self.assertTrue(picture.with_name(f"{picture.stem}-narrow.png").exists(), picture)
        return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*.svg")}

    def test_a_second_run_is_the_same_to_the_byte(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            first, second = self.draw(Path(one)), self.draw(Path(other))
        self.assertEqual(len(first), 18)
        self.assertEqual(first, second)

    def test_titles_say_what_the_rows_say(self) -> None:
        def points(name: str) -> Rows:
            with open(COMMITTED / name / "points.csv", newline="") as file:
                return {(r["mode"], r["recompute"], int(r["n_c"])): r for r in csv.DictReader(file)}

        def fewer(rows: Rows, mode: str, figure: str) -> str:
            """The least and the most that is saved, over all lengths at which rows are cut."""
            shares = [int(row[figure]) / int(rows["full-graph", how, n][figure])
                      for (of, how, n), row in rows.items() if (of, how) == (mode, "none") and n > 1]
            found = sorted(round(100 - 100 * share) for share in shares)
            return f"{found[0]} to {found[-1]} %"

        for name, peaks in (("modes", True), ("modes", False), ("one-layer", False),
                            ("recompute", True)):
            everything, _, _ = read(COMMITTED / name / "points.csv")
            title, rows = finding(everything, peaks), points(name)
            figure = "peak_bytes" if peaks else "retained_bytes"
            less = "peak {} lower" if peaks else "{} fewer bytes"
            saved = fewer(rows, "detached-prefix", figure)
            # Of all lengths at which it cuts, not the mildest alone.
            errors = [100 * float(r["gradient_relative_error"]) for (mode, _, n_c), r in rows.items()
                      if mode == "detached-prefix" and n_c > 1]
            low, high = f"{min(errors):.2g}", f"{max(errors):.2g}"
            self.assertIn(f"off by {low} to {high} %", title)
            if any(mode == "replayed-prefix" for mode, _, _ in rows):
                exact = fewer(rows, "replayed-prefix", figure)
                self.assertIn("Replay: exact gradient, " + less.format(exact), title)
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
