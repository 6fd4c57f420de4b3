"""Which tokens a byte belongs to, from extents alone."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ballast_probe import Layout, RegionBytes
from ballast_probe.regions import Rows, divide, rows_by_law, rows_by_size

LAYOUT = Layout(n_c=48, n_g=16, batch=2)
STEPS = (128, 256)


def _rows(constant: int, per_prefix: int, per_generated: int) -> Rows | None:
    a, b = STEPS
    extents = [constant + per_prefix * (48 + c) + per_generated * (16 + g)
               for c, g in ((0, 0), (a, 0), (0, b), (a, b))]
    return rows_by_law(extents, STEPS, LAYOUT)


@pytest.mark.parametrize("law, rows", [
    ((64, 0, 0), None),
    ((0, 1, 1), (48, 16, 0)),
    ((0, 2, 2), (96, 32, 0)),
    ((7, 1, 1), (48, 16, 7)),  # padding
    ((-1, 1, 1), (48, 15, 0)),  # the last row is missing
    ((3, 0, 1), (3, 16, 0)),  # the last rows of the prefix stay in the graph
    ((-3, 1, 0), (45, 0, 0)),  # the rows before them
    ((0, 0, 1), (0, 16, 0)),
])
def test_laws(law: tuple[int, int, int], rows: tuple[int, int, int] | None) -> None:
    found = _rows(*law)
    assert found == (None if rows is None else Rows(*map(Fraction, rows)))
    if found is not None:
        assert found.extent == law[0] + law[1] * 48 + law[2] * 16


def test_what_follows_no_law_is_no_rows() -> None:
    squares = [(48 + c + 16 + g) ** 2 for c, g in ((0, 0), (128, 0), (0, 256), (128, 256))]
    assert rows_by_law(squares, STEPS, LAYOUT) is None
    assert rows_by_law([64, 32, 64, 32], STEPS, LAYOUT) is None


def test_sizes() -> None:
    assert rows_by_size(64, LAYOUT) == Rows(Fraction(48), Fraction(16))
    assert rows_by_size(128, LAYOUT) == Rows(Fraction(96), Fraction(32))
    assert rows_by_size(65, LAYOUT) is None
    detached = Layout(n_c=48, n_g=16, batch=2, first_row=46)
    assert rows_by_size(18, detached) == Rows(Fraction(2), Fraction(16))
    assert rows_by_size(46, detached) == Rows(Fraction(46), Fraction(0))


def test_division_is_exact_and_complete() -> None:
    rows = Rows(Fraction(48), Fraction(16))
    suffix = Rows(Fraction(1), Fraction(16))
    assert divide(6400, [None, rows, None]) == RegionBytes(4800, 1600, 0, 0)
    assert divide(6400, [None, None]) == RegionBytes(shared=6400)
    assert divide(17 * 64, [None, suffix, rows]) == RegionBytes(64, 16 * 16, 16 * 48, 0)
    assert divide(0, [rows]) == RegionBytes()
    for total in range(1, 500, 7):  # not even divisible by the rows
        assert divide(total, [rows, suffix]).total == total


def test_padding_is_shared() -> None:
    padded = Rows(Fraction(48), Fraction(16), Fraction(16))
    assert divide(80, [padded]) == RegionBytes(48, 16, 0, 16)
