"""Lines over the prefix length: laws of laws.csv, and what an average prefix token keeps."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from ballast_pictures import lines
from ballast_pictures.files import Unplottable
from ballast_pictures.schema import FACTORS, SERIES

from picture_cases import DIVISORS, GROUPS, LENGTHS, MODES, PictureTests, Row, row, said, sweep, texts


class Laws(PictureTests):
    def laws(self, table: list[Row], **changes: Any) -> list[Row]:
        """A row of laws.csv for each series: bytes proportional to the prefix, as `row` makes them."""
        found: dict[tuple[Any, ...], Row] = {}
        for r in table:
            key = {c: r.get(c, "") for c in SERIES} | {"backend": r["backend"], "threads": 1}
            slope = r["retained_bytes"] // r["n_c"]
            found[tuple(key.values())] = key | {
                "holds_from_n_c": 1, **{c: slope if c == FACTORS[1] else 0 for c in FACTORS},
                **{f"of_prefix_{c}": slope if c == FACTORS[1] else 0 for c in FACTORS}} | changes
        return list(found.values())

    def test_two_lengths_are_enough_where_laws_csv_has_the_law(self) -> None:
        table = sweep(mode=MODES, n_c=[64, 128])
        for r in table:  # proportional to n_c
            r["retained_bytes"] = r["n_c"] * 2**10 // DIVISORS[r["mode"]]
        self.assertEqual(lines.rows(self.read(table, self.laws(table))[0])[2],
                         ["full-graph", "1,024·n_c bytes", "128.0 KiB", ""])
        words = {t.get_text() for t in texts(self.figure(table, self.laws(table))[1])}
        self.assertFalse(any("no law" in text for text in words), words)
        self.assertTrue(any("laws in laws.csv, met to the byte by all 8 points" in text
                            for text in words), words)
        wrong = self.laws(table, constant_bytes=1)
        self.assertIn("full-graph has no exact law: off by 1 bytes at n_c = ",
                      said(self.figure(table, wrong)[1]))
        self.assertIn("full-graph has no law in laws.csv", said(self.figure(table)[1]))

    def test_the_law_of_laws_csv_says_where_it_begins(self) -> None:
        table = sweep(mode=MODES[:2], n_c=[4, 64, 128])
        everything, _, _ = self.read(table, self.laws(table, holds_from_n_c=64))
        self.assertEqual([p.n_c for p in everything[0].regime], [64, 128])
        self.assertTrue(all(s.retained_law and s.retained_law.holds for s in everything))

    def test_a_laws_csv_that_is_none_is_a_sentence(self) -> None:
        table = sweep(mode=MODES, n_c=[64, 128])
        for changes in ({"linear_bytes": "many"}, {"holds_from_n_c": ""}):
            with self.assertRaisesRegex(Unplottable, "cannot be read as laws"):
                self.read(table, self.laws(table, **changes))
        twice = self.laws(table) + self.laws(table, constant_bytes=1)
        with self.assertRaisesRegex(Unplottable, "two laws of one series"):
            self.read(table, twice)


class Averages(PictureTests):
    def averages(self, figure: Figure) -> list[float]:
        """What the right panel's lines and markers show, KiB."""
        return [y for line in figure.axes[1].get_lines() for y in line.get_ydata()
                if len(line.get_xdata()) and line.get_transform() == figure.axes[1].transData]

    def test_an_average_prefix_token_is_one_of_all_sequences(self) -> None:
        """By the sum of the lengths, by the sequences, and by the prompts where completions share them."""
        table = [{**r, "retained_bytes": n, "retained_prefix_bytes": n, "peak_bytes": ""}
                 for r in LENGTHS for n in [7 * 2**10 * {64: 64 + 40 + 24, 60: 60 + 16}[r["n_c"]]]]
        module, figure = self.figure(table)
        self.assertIs(module, lines)
        self.assertEqual(set(self.averages(figure)), {7})
        labels = {t.get_text() for t in texts(figure)}
        self.assertIn("n_c of the longest prompt of a batch, tokens", labels)
        self.assertTrue(any("divided by the prefix tokens of all sequences." in t for t in labels), labels)
        self.assertTrue(any("n_g up to 8" in t for t in labels), labels)

        def prompts(r: Row) -> int:
            return r["batch"] * (r["suffixes"] if r["sharing"] == "none" else 1)

        table = [{**r, "retained_bytes": n, "retained_prefix_bytes": n, "peak_bytes": ""}
                 for r in GROUPS for n in [7 * 2**10 * r["n_c"] * prompts(r)]]
        _, figure = self.figure(table)
        self.assertEqual({float(y) for y in self.averages(figure)}, {7.0})  # laws and points
        words = said(figure).replace("\n", " ")
        self.assertIn("(a shared prompt's once)", words)
        self.assertIn("prefix length n_c, tokens", words)
        # One prompt of completions of different lengths.
        table = [row(lengths="64+8,64+3", n_c=64, **more) for more in (
            {"batch": 2}, {"batch": 1, "suffixes": 2, "sharing": "prefix"})]
        everything, _, _ = self.read(table)
        self.assertEqual([s.points[0].prefix_tokens for s in everything], [128, 64])
        # One sequence, as ever.
        _, figure = self.figure(sweep(mode=MODES, n_c=[64, 128]))
        self.assertIn("divided by n_c", said(figure))

    def test_lengths_that_are_none_are_a_sentence(self) -> None:
        for changes in ({"lengths": "many"}, {"lengths": "8+8,8+8"}, {"batch": 0}, {"suffixes": -1},
                        {"lengths": "-64+8,128+8"}, {"lengths": ","}):
            with self.assertRaisesRegex(Unplottable, "figure missing or wrong"):
                self.read([{**r, **changes} for r in sweep(mode=MODES)])
