"""Regions, modes and layouts: every one that the schema has is drawn, and said in words."""

from __future__ import annotations

from ballast_pictures import bars
from ballast_pictures.files import Unplottable
from ballast_pictures.schema import AXES, REGIONS
from ballast_pictures.schema import MODES as ALL_MODES

from picture_cases import MODES, POLICIES, PictureTests, padded, row, said, sweep, texts


class Regions(PictureTests):
    def test_meanings_name_the_tokens_of_one_sequence_alone(self) -> None:
        one = {"batch": "1", "suffixes": "1", "lengths": "", "n_c": "64"}
        for changes, words in (({}, "the 64 prefix tokens"), ({"batch": "2"}, "the prefix tokens"),
                               ({"suffixes": "4"}, "the prefix tokens"),
                               ({"lengths": "64+8,8+8"}, "the prefix tokens")):
            self.assertIn(words, bars.explained(REGIONS, one | changes)["prefix"])

    def test_keys_and_values_of_all_sequences_are_known_as_such(self) -> None:
        for changes, prompts in (({}, 1), ({"batch": 3}, 3), ({"suffixes": 4}, 4),
                                 ({"suffixes": 4, "sharing": "prefix"}, 1),
                                 ({"lengths": "64+8,32+8", "batch": 2}, 1.5)):
            kept = int(2 * 4 * 16 * 4 * 64 * prompts)
            table = [row(mode=mode, **changes) for mode in ("full-graph", "detached-prefix")]
            table[1] |= {"retained_bytes": kept, "retained_prefix_bytes": kept}
            self.assertIn(f"{kept:,} bytes, are the keys and values", said(self.figure(table)[1]))

    def test_padding_is_a_region_with_a_colour_and_a_meaning(self) -> None:
        self.assertEqual(set(bars.COLORS), set(REGIONS))
        self.assertEqual(set(bars.explained(REGIONS, {})), set(REGIONS))
        table = [padded(layout="padded"), padded(layout="padded", recompute="layer")]
        module, figure = self.figure(table)
        self.assertIs(module, bars)
        self.assertIn("33,554,432", said(figure))
        self.assertIn("2 sequences of different lengths", said(figure))
        # What does not sum up is still refused.
        table[0]["retained_padding_bytes"] += 1
        with self.assertRaisesRegex(Unplottable, "contradicts itself"):
            self.figure(table)

    def test_every_region_mode_and_layout_of_the_schema_is_drawn(self) -> None:
        for name, region in REGIONS.items():
            bytes_ = {other["figure"]: 7 * (other is region) for other in REGIONS.values()}
            table = [row(recompute=policy) | bytes_ | {"retained_bytes": 7}
                     for policy in POLICIES[::3]]
            labels = {t.get_text() for t in texts(self.figure(table)[1])}
            self.assertLessEqual({name, "7"}, labels)
            self.assertIn(region["meaning"].split("{")[0].split(":")[0].strip(),
                          " ".join(labels).replace("\n", " "))
        for mode, words in ALL_MODES.items():
            table = [row(mode=mode, recompute=policy) for policy in POLICIES[::3]]
            self.assertIn(words["meaning"], said(self.figure(table)[1]))
        for layout in AXES["layout"]["words"]:
            table = [row(lengths="16+8,64+8", batch=2, layout=layout, recompute=policy)
                     for policy in POLICIES[::3]]
            self.assertIn("2 sequences of different lengths", said(self.figure(table)[1]))

    def test_older_files_have_no_padding(self) -> None:
        everything, _, _ = self.read([{k: v for k, v in r.items() if "padding" not in k}
                                      for r in sweep(mode=MODES)])
        self.assertEqual(everything[0].points[0].regions["padding"], 0)
