"""Streams of allocations: their peaks, their alignment, and the places of releases."""

from __future__ import annotations

import random

import pytest

from comparison.streams import (
    Alignment, Peak, Stream, align, alive, is_whole, kinds, peak, releases, rounded,
)


def stream(sizes: list[int], events: list[int] | None = None, standing: int = 0) -> Stream:
    return Stream(sizes, [""] * len(sizes),
                  list(range(standing, len(sizes))) if events is None else events, standing)


def common(a: list[int], b: list[int]) -> int:
    """The length of a longest common subsequence, by its recurrence."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other \
                else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_a_peak_by_hand() -> None:
    # 5 stand; 3 come, 5 go, 4 come, 3 go: 5, 8, 3, 7, 4.
    one = Stream()
    first = one.stand(5)
    second = one.allocate(3)
    one.release(first)
    one.allocate(4)
    one.release(second)
    assert one.events == [1, -1, 2, -2]
    assert is_whole(one)
    assert peak(one) == Peak(8, 0)
    assert alive(one, 0) == [0, 1] and alive(one, 3) == [2] and alive(one, -1) == [0]
    assert peak(one, rounded) == Peak(1024, 0)
    with pytest.raises(ValueError, match="stand"):
        one.stand(1)


def test_what_stands_can_be_the_peak() -> None:
    assert peak(stream([7, 3], [-1, 1], standing=1)) == Peak(7, -1)
    assert peak(Stream()) == Peak(0, -1)


def test_a_window_has_what_was_held_before_it() -> None:
    one = stream([1, 2, 4, 8], [0, 1, -1, 2, -2, 3, -4])
    middle = one.window(3, 6)
    assert middle == stream([2, 4, 8], [1, -1, 2], standing=1)
    assert one.window(0) == one and is_whole(middle)


def test_blocks_are_left_out_with_their_events() -> None:
    one = stream([1, 2, 4], [1, 2, -2, -1], standing=1)
    assert one.without(lambda number: number == 1) == stream([1, 4], [1, -1], standing=1)
    assert one.without(lambda number: number == 0) == stream([2, 4], [0, 1, -1])


@pytest.mark.parametrize("seed", range(300))
def test_an_alignment_is_a_longest_common_subsequence(seed: int) -> None:
    draw = random.Random(seed)
    a, b = ([draw.randint(1, 4) for _ in range(draw.randint(0, 14))] for _ in range(2))
    found = align(stream(a), stream(b))
    assert all(a[i] == b[j] for i, j in found.pairs)
    for places in zip(*found.pairs, strict=True):
        assert list(places) == sorted(set(places))
    assert len(found.pairs) == common(a, b)
    assert len(found.pairs) + len(found.only_first) == len(a)
    assert len(found.pairs) + len(found.only_second) == len(b)


def test_an_alignment_counts_from_what_stands() -> None:
    found = align(stream([9, 1, 2], standing=1), stream([1, 3, 2]))
    assert found == Alignment([(1, 0), (2, 2)], [], [1])
    assert found.share == pytest.approx(2 / 3)
    assert align(Stream(), Stream()).share == 1.0
    for one, other in (([1, 2, 3, 4], [1]), ([1], [1, 2, 3, 4])):
        assert align(stream(one), stream(other)).share == 0.25


def test_streams_that_have_nothing_in_common_end() -> None:
    assert align(stream([1] * 50), stream([2] * 3000)).pairs == []


def test_releases_have_places_among_the_pairs() -> None:
    one = stream([1, 2, 3], [0, 1, -1, 2, -2])
    same = stream([1, 7, 2, 3], [0, 1, 2, -2, -1, 3, -3])  # the 7 has no partner
    late = stream([1, 2, 3], [0, 1, 2, -1, -2])
    for other, equal in ((same, 3), (late, 2)):
        found = releases(one, other, align(one, other).pairs)
        assert (found.equal, found.total) == (equal, 3)


def test_kinds_are_counted() -> None:
    one = Stream([4, 4, 8], ["add", "add", ""], [0, 1, 2])
    assert kinds(one, [0, 1, 2]) == ["2 × add, 4 bytes", "1 × ?, 8 bytes"]
    assert kinds(one, [0, 2], most=1) == ["1 × add, 4 bytes", "and 1 kinds more"]


@pytest.mark.parametrize("events", [[1, 0], [0, -1, -1, 1], [-1, 0, 1], [0]])
def test_a_stream_that_is_none_is_seen(events: list[int]) -> None:
    assert not is_whole(stream([1, 1], events))
