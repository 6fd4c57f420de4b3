"""When a row of a published figure holds, and how it is written."""

from __future__ import annotations

import json

import pytest

from checkout import Failure
from reproduction.korthikanti import SIZES
from reproduction.program import Law, Ledger, Saved
from reproduction.rows import Group, Row, as_json, as_text, holds, verdict
from reproduction.slopes import MODELS, Model


def row(published: int | None, ours: int, *reasons: tuple[int, str], exact: bool = True) -> Row:
    return Row("a layer", "2sbh", published, ours, "counted", ("ballast plan",), reasons, exact)


def test_what_holds() -> None:
    assert row(8, 8).holds and row(8, 8).mark == "✓" and row(8, 8).sentence == ""
    assert not row(8, 9).holds
    assert not row(8, 9, (1, "a byte")).holds  # a reason does not make an exact row hold
    assert row(8, 9, (1, "a byte"), exact=False).holds
    assert not row(8, 9, (2, "two bytes"), exact=False).holds  # it has to account for every byte
    assert row(None, 9, (0, "to be seen")).sentence == "to be seen"


def test_a_table_says_what_differs_and_why() -> None:
    groups = [Group("A paper", "Measured so.", [row(8, 8), row(8, 9, (1, "a byte"), exact=False)])]
    text = as_text(groups)
    assert "A paper" in text and "↳ a byte" in text and "+1" in text
    assert verdict(groups) == "1 of 2 exact; 1 differ by what the line below each accounts for"
    assert holds(groups) and json.loads(as_json(groups))["holds"]
    groups[0].rows.append(row(8, 7))
    assert not holds(groups) and "1 should not differ" in verdict(groups)


def test_bytes_that_are_not_known_are_counted_apart() -> None:
    unknown = Row("peak", "most", 100, 90, "recorded", (), ((-3, "a buffer"),), False, -7)
    assert unknown.holds and unknown.sentence == "-3: a buffer; not known: -7"
    assert not Row("peak", "most", 100, 91, "recorded", (), ((-3, "a buffer"),), False, -7).holds
    assert not Row("peak", "most", 100, 93, "recorded", (), (), True, -7).holds
    group = Group("A run", "", [row(8, 8), unknown])
    assert verdict([group]) == ("1 of 2 exact; 1 differ by bytes of which some are not known, "
                                "at most 7")


def test_a_bound_has_to_be_above() -> None:
    def bound(ours: int) -> Row:
        return Row("max", "reserved", 100, ours, "recorded", (), ((0, "a bound"),), False, 0, True)

    assert bound(120).holds and bound(100).holds and bound(120).sentence == "a bound"
    assert not bound(99).holds and bound(99).sentence == "should be at most ours: a bound"
    assert verdict([Group("A run", "", [bound(120), bound(100)])]) == (
        "0 of 2 exact; 2 are under a bound")
    assert "1 should not differ" in verdict([Group("A run", "", [bound(99)])])


def test_a_sentence_stands_once_for_rows_that_share_it() -> None:
    rows = [row(8, 9, (1, "a byte"), exact=False), row(9, 10, (1, "a byte"), exact=False),
            row(8, 8), row(7, 8, (1, "a byte"), exact=False)]
    lines = as_text([Group("A paper", "", rows)]).splitlines()
    assert [line.strip().startswith("↳") for line in lines[3:9]] == [
        False, False, True, False, False, True]


def test_ledgers_laws_and_sizes() -> None:
    ledger = Ledger((Saved(0, "attention", "q", "bfloat16", 6), Saved(None, "attention", "q", "bfloat16", 1)), "")
    assert ledger.of("attention:q") == 6 and ledger.of("attention:q", layers=False) == 1
    assert Law(1, 2, 3, 0)(10) == 321
    for size in SIZES:  # the paper's own arithmetic
        assert size.terms(34, 5) == size.layer
    assert [model.is_gpt for model in MODELS] == [True, False, False]
    with pytest.raises(Failure, match="do not add the same"):
        Model("m", "M", 64, 3, 4, 4, 128).a_layer(10)
