"""Numbers at a few lengths, and the law that gives them at every other one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from ballast_probe.laws.forms import Forms
from ballast_probe.laws.lengths import MULTIPLES, UNIT, PromptSpan, explored
from ballast_probe.laws.values import Evaluation, Values

Law = Callable[[int, int], int]


def up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


LAWS: dict[str, Law] = {
    "a hidden row for each token": lambda c, g: 2 * 4096 * (c + g),
    "a row for each prediction": lambda c, g: 4 * 128_256 * (c + g - 1),
    "a number more than tokens": lambda c, g: 8 * (c + g) + 8,
    "of the completion alone": lambda c, g: 4 * g,
    "of the prefix alone": lambda c, g: 4 * c,
    "scores": lambda c, g: 2 * 8 * (c + g) ** 2,
    "a padded mask": lambda c, g: 2 * (c + g) * up(c + g, 8),
    "flash's sums": lambda c, g: 4 * 32 * up(c + g, 128),
    "flash's accumulator": lambda c, g: 4 * 32 * 64 * up(c + g, 128) + 4,
    "blocks of rows": lambda c, g: 16_388 * up(c + g, 64) // 64,
    "sixteens": lambda c, g: 12 * up(c + g, 16),
    "thirty-twos": lambda c, g: 12 * up(c + g, 32),
    "what crosses": lambda c, g: 2 * c * g,
    "always the same": lambda c, g: 12_345,
}


@pytest.mark.parametrize("n_g", [1, 37, 512, 2048])
@pytest.mark.parametrize("multiple", MULTIPLES)
@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_a_law_at_three_lengths_is_the_law_at_all_others(
        law: Law, multiple: int, n_g: int) -> None:
    values = Values(("n_c", "n_g"))
    pairs = PromptSpan(n_g + 2, 131_072, n_g).points(multiple)
    place = Forms(values, pairs).law([law(*pair) for pair in pairs])
    assert place is not None
    draw = random.Random(n_g)
    for _ in range(50):
        tokens = draw.randint(4096 // multiple, 100_000 // multiple) * multiple
        n_c = tokens - draw.randint(1, 4000)
        assert Evaluation(values, (n_c, tokens - n_c))[place] == law(n_c, tokens - n_c)


def test_experts_are_sent_a_part_of_the_tokens() -> None:
    values = Values(("n_c", "n_g"))
    pairs = PromptSpan(514, 131_072, 512).points(1)
    numbers = [128 * ((c + g) * 2 // 8) for c, g in pairs]
    assert Forms(values, pairs).law(numbers) is None
    place = Forms(values, pairs, [(2, 8)]).law(numbers)
    assert place is not None and Evaluation(values, (1000, 1))[place] == 128 * 250


@pytest.mark.parametrize("law", [
    lambda c, g, b: 4096 * b * (c + g), lambda c, g, b: 8 * b, lambda c, g, b: 4096 * (c + g),
    lambda c, g, b: 16 * b * (c + g) + 4 * b, lambda c, g, b: 4 * b * 32 * up(c + g, 128),
])
def test_batches_are_a_length_like_others(law: Callable[[int, int, int], int]) -> None:
    values = Values(("n_c", "n_g", "batch"))
    points = [(128, 512, 2), (2728, 509, 3), (5566, 517, 5), (1000, 77, 7)]
    place = Forms(values, points).law([law(*point) for point in points])
    assert place is not None
    for point in ((3000, 1, 4), (77, 100, 9)):
        assert Evaluation(values, point)[place] == law(*point)


@pytest.mark.parametrize("numbers", [(1, 2, 4), (7, 7, 9), (2728, 128, 99)])
def test_numbers_without_a_law_have_none(numbers: tuple[int, ...]) -> None:
    assert Forms(Values(("n_c", "n_g")), PromptSpan(514, 131_072, 512).points(1)).law(numbers) is None


def test_lengths_are_chosen_so_that_roundings_differ() -> None:
    for multiple in (1, 8):
        pairs = PromptSpan(514, 131_072, 512).points(multiple)
        rounded = [tuple(up(c + g, unit) for c, g in pairs) for unit in (8, 16, 32, 64, 128)]
        assert len(set(rounded)) == 5
        assert all((c + g) % multiple == 0 for c, g in pairs)
        assert len({g for _, g in pairs}) == 3 and (pairs[0][0] + pairs[0][1]) % UNIT == 0


def test_lengths_that_are_explored_are_in_the_range() -> None:
    for multiple in MULTIPLES:
        pairs = explored(PromptSpan(640, 131_072, 512), 640, 131_072, multiple)
        assert all(640 <= c + g <= 131_072 and (c + g) % multiple == 0 and c >= 0
                   for c, g in pairs)
        assert 100 < len(pairs) < 2000
