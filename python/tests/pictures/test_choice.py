"""Which picture is drawn of what varies, and that no texts touch in it."""

from __future__ import annotations

from ballast_pictures import choice
from ballast_pictures.axes import following

from picture_cases import MODES, POLICIES, SWEEPS, PictureTests, said, shown, sweep, texts


class Choice(PictureTests):
    def test_what_varies_decides(self) -> None:
        for expected, table in SWEEPS:
            everything, _, shared = self.read(table)
            self.assertIs(choice.chosen(everything, shared)[0], expected)

    def test_no_texts_touch_or_leave_the_picture(self) -> None:
        for _, table in SWEEPS:
            module, figure = self.figure(table)
            figure.canvas.draw()
            boxes = [(t.get_text(), t.get_window_extent()) for t in shown(figure)]
            width, height = figure.get_size_inches() * figure.dpi
            for index, (text, box) in enumerate(boxes):
                where = f"{module.__name__}: {text!r}"
                self.assertTrue(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width
                                and box.y1 <= height, f"{where} leaves the picture")
                for other, rival in boxes[:index]:
                    # Descents and ascents of neighbouring lines may share a pixel or two.
                    touch = (min(box.x1, rival.x1) - max(box.x0, rival.x0) > 1
                             and min(box.y1, rival.y1) - max(box.y0, rival.y0) > 3)
                    self.assertFalse(touch, f"{where} touches {other!r}")

    def test_rows_and_lengths_that_are_left_out_are_named(self) -> None:
        table = sweep(mode=MODES, recompute=POLICIES, n_c=[64, 128])
        for r in table:
            if r["mode"] == "full-graph" and r["recompute"] == "none" and r["n_c"] == 128:
                r["status"] = "over-limit"
        words = said(self.figure(table)[1])
        self.assertIn("not ok: 1 over-limit", words)
        self.assertIn("Of the prefix lengths 64, 128 the largest is drawn.", words)
        self.assertIn("Without a point there: full-graph, recompute none.", words)

    def test_sizes_that_follow_another_do_not_split_its_lines(self) -> None:
        table = [r for d in (64, 128, 256) for r in sweep(mode=MODES, d_model=[d], d_head=[d // 4])]
        everything, _, _ = self.read(table)
        self.assertEqual(following("d_model", everything), ["d_head"])
        words = {t.get_text() for t in texts(self.figure(table)[1])}
        self.assertIn("d_model (d_head with it)", words)
