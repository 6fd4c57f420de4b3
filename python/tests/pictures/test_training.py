"""Pictures of how a model learned in each mode."""

from __future__ import annotations

import tempfile
import unittest
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

from checkout import ROOT
from matplotlib import pyplot
from matplotlib.figure import Figure

from ballast_pictures import training
from ballast_pictures.files import Unplottable

from picture_cases import Row, shown, write

MODES = [("full", 0), ("pruned", 0), ("replayed", 0), ("detached", 0), ("detached", 8)]


def rows(learns: dict[tuple[str, int], int], task: str = "copy", seeds: int = 2) -> list[Row]:
    """Runs of 60 steps that have learned from a step on; 0 where they never do."""
    found: list[Row] = []
    for (mode, keep), since in learns.items():
        for seed in range(seeds):
            for step in range(10, 70, 10):
                learned = bool(since) and step >= since + 10 * seed
                found.append({
                    "task": task, "mode": mode, "keep": keep, "seed": seed, "step": step,
                    "seconds": step / 10, "loss": 0.01 if learned else 4.0,
                    "accuracy": 0.99 if learned else 0.25, "peak_bytes": 2**22 - 1000 * keep})
    return found


LOST = dict(zip(MODES, (20, 20, 20, 0, 40)))


class Trainings(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.path = Path(holder.name) / "training.csv"

    def tearDown(self) -> None:
        pyplot.close("all")

    def read(self, table: list[Row], columns: list[str] = training.COLUMNS) -> list[training.Runs]:
        write(self.path, table, columns)
        found: list[training.Runs] = training.read(self.path)
        return found

    def test_when_it_was_learned(self) -> None:
        found = self.read(rows(LOST))
        self.assertTrue(training.is_training(self.path))
        self.assertEqual([(runs.mode, runs.keep, runs.learned) for runs in found],
                         [(mode, keep, [LOST[mode, keep], LOST[mode, keep] + 10]
                           if LOST[mode, keep] else [None, None]) for mode, keep in MODES])
        self.assertEqual(found[0].outcome, "learned by 2 of 2 seeds, after 20 to 30 steps")
        self.assertEqual(found[3].outcome, "learned by no seed: 25 % right")
        self.assertEqual(self.read(rows({("full", 0): 60}))[0].outcome,
                         "learned by 1 of 2 seeds, after 60 steps")

    def test_titles_say_what_the_rows_say(self) -> None:
        learned, like = dict.fromkeys(MODES, 20), "Replay learns as the full graph does; detached, "
        for table, title in (
                (rows(LOST), f"{like}no task is learned"),
                (rows(LOST) + rows(learned, "lookup"), f"{like}copy is not learned"),
                (rows(learned), f"{like}the tasks are learned too"),
                (rows(LOST | {("replayed", 0): 30}),
                 "Replay learns at other steps; detached, no task is learned"),
                (rows(LOST | {("full", 0): 0}),
                 "Too few steps: not even the full graph learns every task"),
                (rows({("full", 0): 20}), "How a small model learned")):
            self.assertEqual(training.finding(self.read(table)), title)

    def test_no_texts_touch_or_leave_the_picture(self) -> None:
        drawn: list[Figure] = []
        self.read(rows(LOST) + rows(dict.fromkeys(MODES, 20), "lookup", seeds=1))
        with mock.patch.object(training, "save", lambda figure, *_: drawn.append(figure)):
            training.draw(self.path)
        [figure] = drawn
        figure.canvas.draw()
        boxes: list[tuple[str, Any]] = [
            (t.get_text(), t.get_window_extent()) for t in shown(figure)]
        self.assertGreater(len(boxes), 40)
        for text, box in boxes:
            self.assertTrue(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
                            and figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text)
        for (text, box), (other, rival) in combinations(boxes, 2):
            self.assertFalse(min(box.x1, rival.x1) - max(box.x0, rival.x0) > 1
                             and min(box.y1, rival.y1) - max(box.y0, rival.y0) > 1,
                             f"{text!r} touches {other!r}")

    def test_what_is_no_training_is_a_sentence(self) -> None:
        good = rows({("full", 0): 20})
        for table, words in (([], "no row"),
                             ([good[0] | {"loss": "much"}], "a figure that is none"),
                             ([good[0] | {"mode": "guessed"}], "nobody knows: guessed")):
            with self.assertRaisesRegex(Unplottable, words):
                self.read(table)
        with self.assertRaisesRegex(Unplottable, "lacks the columns loss"):
            self.read([{"task": "copy"}], [name for name in training.COLUMNS if name != "loss"])

    def test_the_page_s_picture_says_what_its_rows_say(self) -> None:
        """The rows that the page's picture was drawn of."""
        committed = ROOT / "Tests/Fixtures/pictures/training.csv"
        self.assertTrue(training.is_training(committed))
        found = {(runs.task, runs.mode, runs.keep): runs for runs in training.read(committed)}
        for (task, mode, keep), runs in found.items():
            if mode == "replayed":
                whole = found[task, "full", 0]
                self.assertLess(runs.peak, whole.peak)
                self.assertEqual(runs.learned, whole.learned)
            if mode == "detached" and not keep:
                self.assertFalse(any(runs.learned))
