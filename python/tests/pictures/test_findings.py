"""What a picture says in figures and in its title: what is saved, and what it costs the gradient."""

from __future__ import annotations

from ballast_pictures.costs import cells
from ballast_pictures.data import representative
from ballast_pictures.findings import finding

from picture_cases import MODES, POLICIES, PictureTests, Row, padded, row, said, sweep


class Costs(PictureTests):
    def test_savings_and_products_are_held_against_the_full_graph_that_recomputes_nothing(self) -> None:
        everything, _, _ = self.read(sweep(mode=MODES, recompute=POLICIES))
        found = {(s.mode, s.key["recompute"]): cells(s, representative(s), everything)
                 for s in everything}
        self.assertEqual(found["full-graph", "none"],
                         ["64.0 MiB", "–", "128.0 MiB", "1.00 ×", "exact"])
        self.assertEqual(found["full-graph", "layer"],
                         ["16.0 MiB", "−75.0 %", "32.0 MiB", "0.25 ×", "exact"])
        self.assertEqual(found["detached-prefix", "none"],
                         ["8.0 MiB", "−87.5 %", "16.0 MiB", "0.12 ×", "off by 40 %"])

    def test_nothing_is_said_to_be_saved_where_the_gradient_was_not_measured(self) -> None:
        table = sweep(mode=MODES, recompute=["none", "layer"])
        for r in table:
            r["gradient_relative_error"] = ""
        everything, _, _ = self.read(table)
        self.assertEqual(everything[0].gradient_note(), "gradient exact")
        for series in everything[1:]:
            _, saved, _, _, note = cells(series, representative(series), everything)
            self.assertEqual(saved, "–")
            self.assertIn("not measured", note)
        self.assertNotIn("against", said(self.figure(table)[1]))


class Titles(PictureTests):
    def title(self, table: list[Row], peaks: bool = False) -> str:
        return finding(self.read(table)[0], peaks)

    def test_a_title_names_what_the_saving_comes_from(self) -> None:
        def group(mode: str, sharing: str, suffixes: int, retained: int, peak: int) -> Row:
            return row(mode=mode, sharing=sharing, suffixes=suffixes, loss_rows="generated") | {
                "retained_bytes": retained, "retained_prefix_bytes": retained, "peak_bytes": peak,
                "gradient_relative_error": 3e-7}

        table = [group("full-graph", "none", 1, 100, 120), group("full-graph", "prefix", 1, 100, 120),
                 group("full-graph", "none", 16, 1600, 2000), group("full-graph", "prefix", 16, 200, 220),
                 group("replayed-prefix", "none", 16, 180, 500),
                 group("replayed-prefix", "prefix", 16, 120, 140)]
        self.assertEqual(self.title(table, True), "At 16 completions, sharing the prompt: exact "
                         "gradient, peak 89 % lower; replay too: 93 %")
        # Of what is retained, replay alone saves more. Whichever comes first in the file is the same.
        self.assertEqual(self.title(table[::-1]), "At 16 completions, replay: exact gradient, "
                         "89 % fewer bytes; sharing the prompt too: 92 %")

    def test_a_title_compares_like_with_like(self) -> None:
        """What another attention saves is not said to be replay's, or recomputation's."""
        table = [row(attention=a, recompute=r) | {"retained_bytes": n, "retained_prefix_bytes": n}
                 for a, r, n in (("materialized", "none", 1000), ("materialized", "layer", 500),
                                 ("fused", "none", 100), ("fused", "layer", 60))]
        self.assertEqual(self.title(table), "Recomputing layers: exact gradient, 50 % fewer bytes")
        alone = [r for r in table if r["recompute"] == "none"]
        self.assertEqual(self.title(alone), "full-graph, attention fused keeps 90 % less than "
                         "full-graph, attention materialized")

    def test_what_padding_adds_is_in_the_title(self) -> None:
        table = [padded(layout="padded"), row(lengths="16+8,64+8", batch=2, layout="packed")]
        self.assertEqual(self.title(table), "Padding: 50 % more")

    def test_without_a_full_graph_peaks_stand_beside_errors(self) -> None:
        table = [row(mode=mode, chunk=chunk) for mode in MODES[2:] for chunk in (64, 256)]
        self.assertEqual(self.title(table, True), "Replay: exact gradient, peak 16.0 MiB; "
                         "detaching: 16.0 MiB, off by 40 %")
