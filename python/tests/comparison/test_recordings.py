"""A real run's allocations are read as they were, and a recording is held against them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from comparison import recordings_real
from comparison.recordings import KERNELS, verdict
from comparison.recordings_real import NUMBER, Real, part
from comparison.recordings_steps import FAMILIES, OTHERS, random_cases
from comparison.streams import Stream, is_whole, peak


def by_hand() -> None:
    """1,024 bytes for a, b and c each, 2,048 for d; 8 for the 2 of b, and 4 for it as b's type."""
    with part("first"):
        a = torch.ones(256)
        b = a * 2
    with part("second"):
        c = torch.exp(b)
        del b
        d = torch.cat([a, c])
    del d, a, c


def test_a_step_by_hand() -> None:
    real = recordings_real.run(by_hand)
    assert is_whole(real.stream)
    assert real.seen() == Stream(
        [1024, 1024, 1024, 2048], ["aten::ones", "aten::mul.Tensor", "aten::exp", "aten::cat"],
        [0, 1, 2, -2, 3, -4, -1, -3])
    assert peak(real.seen()).bytes == 4096
    assert [(real.stream.sizes[number], what) for number, what in real.unseen.items()] == [
        (8, NUMBER), (4, NUMBER)]
    assert [real.part(event) for event in (-1, 0, 3, 6)] == ["", "first", "first", "second"]


def test_what_an_op_in_place_overwrites_is_copied_even_if_nobody_keeps_it() -> None:
    """Autograd copies it for backward; a checkpoint drops the copy before the op ends."""
    weight = torch.ones(32, requires_grad=True)

    def halves() -> torch.Tensor:
        part = weight.exp()
        part /= part.sum()
        return part

    def kept() -> None:
        halves()

    def dropped() -> None:
        checkpoint(halves, use_reentrant=False)

    copies = [recordings_real.run(step).seen().ops.count("aten::clone") for step in (kept, dropped)]
    assert copies == [1, 1]
    assert list(recordings_real.run(lambda: torch.ones(9).clone()).seen().ops)[1:] == [
        "aten::clone"]


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    recordings_real.run(lambda: torch.ones(4))
    assert torch.get_num_threads() == before


def test_backward_and_what_stood_before() -> None:
    w = torch.ones(16, 16, requires_grad=True)
    x = torch.ones(4, 16)

    def step() -> None:
        (x @ w).sum().backward()  # type: ignore[no-untyped-call]
        w.grad = None

    seen = recordings_real.run(step).seen()
    assert is_whole(seen)
    # The product, its sum, the sum's gradient, and the weight's; nothing of x and w themselves.
    assert seen.sizes == [4 * 16 * 4, 4, 4, 16 * 16 * 4]
    assert not set(seen.allocated) - {-event - 1 for event in seen.events if event < 0}


def test_an_allocation_that_is_not_real_is_seen() -> None:
    real = Real(Stream([96], ["aten::add"], [0, -1]))
    assert verdict(real, Stream([96], ["aten::add"], [0, -1])).holds
    assert not verdict(real, Stream([96, 4], ["aten::add", ""], [0, -1, 1, -2])).holds
    assert not verdict(real, Stream([], [], [])).holds


@pytest.mark.parametrize(("temporary", "ours", "holds"), [
    ((), 96, True), ((), 64, False),  # equal; another peak
    (("aten::known.out", 8), 96, True), (("aten::other", 8), 96, False)])
def test_a_peak_is_equal_or_has_a_named_kernel(
        temporary: tuple[str, int], ours: int, holds: bool,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "aten::known", "a buffer")
    real = Real()
    first = real.stream.allocate(96, "aten::add")
    if temporary:
        number = real.stream.allocate(temporary[1], temporary[0])
        real.stream.release(number)
        real.unseen[number] = temporary[0]
    real.stream.release(first)
    found = verdict(real, Stream([ours], ["aten::add"], [0, -1]))
    assert found.holds is holds
    assert found.real_peak == 96 + (8 if temporary else 0)


def test_random_steps_have_every_family_and_way() -> None:
    cases = random_cases(random.Random(0), 60)
    assert cases == random_cases(random.Random(0), 60)
    assert {case.model["model_type"] for case in cases} == {*FAMILIES, *OTHERS}
    ways: list[tuple[Callable[[int], object], int]] = [
        (lambda n: cases[n].attention, 2), (lambda n: cases[n].numbers, 3),
        (lambda n: cases[n].adapter, 3), (lambda n: cases[n].checkpointing, 3),
        (lambda n: cases[n].optimizer, 3), (lambda n: cases[n].is_clipped, 2),
        (lambda n: cases[n].accumulation, 3), (lambda n: cases[n].steps, 2),
        (lambda n: cases[n].holds_output, 2), (lambda n: cases[n].has_mask, 2)]
    for way, kinds in ways:
        assert len({way(number) for number in range(60)}) == kinds
