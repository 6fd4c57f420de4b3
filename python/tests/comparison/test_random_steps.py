"""Tensors of two sides, and the random steps in which they are compared."""

from __future__ import annotations

import random

from comparison.hooks import FAMILIES, difference, random_case


def test_difference_counts_tensors_of_a_kind() -> None:
    one, two = ("4x4", "float32", 64), ("4", "int64", 32)
    assert difference([(one, "a"), (one, "b")], [(one, "x"), (one, "y")]) == []
    assert difference([(one, "a"), (one, "b")], [(one, "x"), (two, "y")]) == [
        "    only Ballast: 4x4 float32 64 bytes, a", "    only PyTorch: 4 int64 32 bytes, y"]


def test_random_steps_are_ones_that_both_can_make() -> None:
    cases = [random_case(random.Random(seed)) for seed in range(300)]
    for case in cases:
        assert isinstance(case.model, dict)
        assert case.options.keep_prefix <= case.options.n_c
        assert case.options.recompute == "none" or case.options.mode == "full-graph"
        assert case.options.device == "cpu" or not (case.options.lora or "rope_scaling" in case.model)
    assert {case.model["model_type"] for case in cases if isinstance(case.model, dict)} == set(FAMILIES)
    assert random_case(random.Random(5)).name == random_case(random.Random(5)).name
