"""The three steps of who gets gradient from where: what is drawn is what the rows say."""

from __future__ import annotations

import csv
import tempfile
import unittest
from itertools import combinations
from pathlib import Path
from unittest import mock

from matplotlib import pyplot
from matplotlib.figure import Figure

from ballast_pictures import feeds
from ballast_pictures.files import Unplottable

from picture_cases import COMMITTED, Row, said, shown, write

NAMES = ("gradient", "gradient-two-layers", "gradient-detached")


def rows(name: str) -> list[Row]:
    with open(COMMITTED / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


class Feeds(unittest.TestCase):
    def tearDown(self) -> None:
        pyplot.close("all")

    def step(self, table: list[Row]) -> feeds.Step:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gradient.csv"
            write(path, table, list(table[0]) if table else feeds.COLUMNS)
            return feeds.read(path)

    def figures(self, table: list[Row]) -> dict[str, Figure]:
        """The wide pictures by name."""
        drawn: dict[str, Figure] = {}
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(
                feeds, "save", lambda figure, _, name: drawn.update({name: figure})):
            path = Path(folder) / "gradient.csv"
            write(path, table, list(table[0]))
            feeds.draw(path)
        return drawn

    def test_titles_say_to_what_the_prefix_gives_nothing(self) -> None:
        titles = [feeds.finding(self.step(rows(name))) for name in NAMES]
        self.assertEqual(titles, [
            "The prefix feeds W_K and W_V, and gives exactly 0 to W_Q, W_O and the MLP",
            "In the last layer the prefix feeds W_K and W_V, and gives exactly 0 to W_Q, W_O and "
            "the MLP; below it, it feeds every weight",
            "The prefix gives exactly 0 to every weight"])
        table = rows("gradient")
        for row in table:
            row["prefix_norm"] = row["generated_norm"]
        self.assertEqual(feeds.finding(self.step(table)), "The prefix feeds every weight")

    def test_zeros_are_zeros_and_the_mlp_is_one(self) -> None:
        table = rows("gradient")
        step = self.step(table)
        norms = {row["weight"]: float(row["generated_norm"]) for row in table if row["layer"]}
        mlp = sum(norms[name] ** 2 for name in feeds.MLP) ** 0.5
        self.assertEqual(list(step.layers), [0])
        self.assertAlmostEqual(step.layers[0]["MLP"][1], mlp)
        self.assertEqual([name for name, found in step.layers[0].items() if not found[0]],
                         ["W_Q", "W_O", "MLP"])
        words = [t.get_text() for t in shown(self.figures(table)["gradient"])]
        self.assertEqual(words.count("0"), 3)
        self.assertIn(f"{mlp:#.3g}", words)
        self.assertEqual(feeds.number(0.02), "0.0200")
        self.assertEqual(feeds.number(123.4), "123")

    def test_the_rows_that_carry_loss_and_those_that_are_read(self) -> None:
        drawn = self.figures(rows("gradient"))
        self.assertEqual(set(drawn), {"gradient", "gradient-tokens", "gradient-reads"})
        self.assertIn("4 of 8 tokens carry loss: G1 to G4", said(drawn["gradient-tokens"]))
        reads = said(drawn["gradient-reads"]).replace("\n", " ")
        self.assertIn("G3 reads 7 of 8 values, 4 of them the prefix's", reads)
        self.assertIn("masked", reads)
        self.assertNotIn("Dashed", reads)
        self.assertIn("Dashed", said(self.figures(rows("gradient-detached"))["gradient-reads"]))
        # With loss on the prefix's last row that row feeds everything, and is told apart.
        table = [row | {"loss_rows": "next-token", "boundary_norm": row["prefix_norm"]}
                 for row in rows("gradient")]
        self.assertEqual(list(self.step(table).loss), [3, 4, 5, 6])
        self.assertIn("The prefix before C4 gives exactly 0", feeds.finding(self.step(table)))
        self.assertIn("0 before C4", said(self.figures(table)["gradient"]))

    def test_long_sequences_batches_and_many_layers(self) -> None:
        for changes in ({"n_c": 400}, {"batch": 2}, {"lengths": "4+4,3+2"}, {"suffixes": 3}):
            table = [row | changes for row in rows("gradient")]
            self.assertEqual(set(self.figures(table)), {"gradient"})
        table = [row | {"layer": layer} for layer in range(40) for row in rows("gradient")
                 if row["layer"]]
        words = said(self.figures(table)["gradient"])
        self.assertIn("Of 40 layers the first three and the last three.", words)
        self.assertIn("Layer 39, the last", words)
        self.assertNotIn("Layer 20", words)

    def test_no_texts_touch_or_leave_the_picture(self) -> None:
        for name in NAMES:
            for picture, figure in self.figures(rows(name)).items():
                figure.canvas.draw()
                boxes = [(t.get_text(), t.get_window_extent()) for t in shown(figure)]
                for text, box in boxes:
                    self.assertTrue(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
                                    and figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1,
                                    f"{picture}: {text}")
                for (text, box), (other, rival) in combinations(boxes, 2):
                    self.assertFalse(min(box.x1, rival.x1) - max(box.x0, rival.x0) > 1
                                     and min(box.y1, rival.y1) - max(box.y0, rival.y0) > 3,
                                     f"{picture}: {text!r} touches {other!r}")

    def test_what_is_no_gradient_is_a_sentence(self) -> None:
        good = rows("gradient")
        for table, words in (
                ([], "no weight of a layer"), (good[:1], "no weight of a layer"),
                ([good[2] | {"prefix_norm": "nan"}], "a norm that is none"),
                ([good[2] | {"n_g": 0}], "a norm that is none"),
                ([good[2], good[3] | {"n_c": 9}], "another step")):
            with self.assertRaisesRegex(Unplottable, words):
                self.step(table)
