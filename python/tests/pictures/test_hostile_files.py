"""Files that are none, and names that are meant for a terminal."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from ballast_pictures.files import printable

from picture_cases import COMMITTED, PLOT, write


class Hostile(unittest.TestCase):
    def plot(self, argument: Path | str | bytes) -> str:
        done = subprocess.run([PLOT, argument], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def test_pipes_devices_folders_and_huge_files_are_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, sentence in (("pipe", "is not a regular file"), ("device", "is not a regular file"),
                                   ("folder", "is a directory"), ("huge", "is larger than 256 MiB"),
                                   ("missing", "no such file")):
                (root / name).mkdir()
                points = root / name / "points.csv"
                match name:
                    case "pipe": os.mkfifo(points)
                    case "device": points.symlink_to("/dev/zero")
                    case "folder": points.mkdir()
                    case "huge":
                        with open(points, "wb") as file:
                            file.truncate(2**28 + 1)
                self.assertIn(sentence, self.plot(root / name))
                self.assertIn(sentence, self.plot(points))
            good = root / "good"
            good.mkdir()
            shutil.copy(COMMITTED / "seed/points.csv", good)
            os.mkfifo(good / "laws.csv")
            self.assertIn("laws.csv is not a regular file", self.plot(good))

    def test_names_reach_neither_terminal_nor_picture_raw(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            said = self.plot(Path(folder) / "a\x1b[31m\u202e")
            self.assertIn("a\\u{1b}[31m\\u{202e}", said)
            self.assertIn("\\u{dc80}", self.plot(os.fsencode(folder) + b"/\x80"))
            with open(COMMITTED / "seed/points.csv", encoding="utf-8") as file:
                text = file.read()
            name = "\x1b[31m$\\frac$" + "long" * 1000
            (Path(folder) / "points.csv").write_text("\ufeff" + text.replace(",seed,1,", f",{name},1,"))
            self.assertIn(name, (Path(folder) / "points.csv").read_text())
            target = Path(folder) / "target"
            target.write_text("kept")
            (Path(folder) / "retained.png").symlink_to(target)
            subprocess.run([PLOT, folder], check=True, timeout=120)
            self.assertEqual(target.read_text(), "kept")
            self.assertFalse((Path(folder) / "retained.png").is_symlink())
        self.assertEqual(printable("a\x00\n\u2028é"), "a\\u{0}\\u{a}\\u{2028}é")

    def test_figures_that_are_none_are_a_sentence(self) -> None:
        with open(COMMITTED / "seed/points.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for column, value in (("retained_bytes", "-5"), ("retained_bytes", "9" * 30), ("n_c", "1e3"),
                              ("gradient_relative_error", "nan"), ("gradient_relative_error", "inf")):
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder) / "points.csv", [rows[0] | {column: value}, *rows[1:]])
                self.assertIn("figure missing or wrong", self.plot(folder))
