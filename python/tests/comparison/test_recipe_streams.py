"""Streams of recipes and of the recorder, and where they are said to differ."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from comparison.recipe_streams import (
    FAMILIES, Listed, Step, differences, listed, random_steps, run,
)


def recording(events: list[int], roles: list[int], kept: list[int] | None = None) -> dict[str, Any]:
    count = len(roles)
    return {
        "tables": {"ops": ["aten::mm"], "modules": ["model"], "shapes": [[2, 3]],
                   "roles": ["activation", "temporary", "workspace"]},
        "tensors": {"bytes": [24 + number for number in range(count)], "op": [0] * count,
                    "module": [0] * count, "shape": [0] * count, "role": roles,
                    "kept": kept or [0] * count},
        "events": events,
        "phases": [{"name": "forward", "step": 0, "first_event": 0},
                   {"name": "backward", "step": 0, "first_event": 3}],
    }


def test_what_kernels_take_inside_is_left_out() -> None:
    seen = listed(recording([0, 1, -2, 2, -1, 3], [0, 1, 0, 2], [1, 1, 0, 0]))
    assert seen.events == [(24, False), (26, False), (24, True), (27, False)]
    assert seen.phases == [("forward", 0, 0), ("backward", 0, 1)]
    assert seen.kept == 24
    assert seen.line(0) == "+ 24 mm 2×3 model" and seen.line(9) == ""


def test_the_first_event_that_differs_is_named() -> None:
    one, other = listed(recording([0, 1, -1, -2], [0, 0])), listed(recording([0, 1, -2, -1], [0, 0]))
    assert differences(one, one) == []
    found = differences(one, other)
    assert found[0].startswith("event 2 of 4, in forward of step 0")
    assert any(line.startswith("▶      2 − 25") for line in found)
    assert differences(replace(one, kept=1), one) == ["0 bytes kept, and 1 by the recipe"]
    assert differences(replace(one, phases=[]), one)[0].startswith("phases")


def test_random_steps_are_of_all_families_and_counted_by_words() -> None:
    steps = random_steps(random.Random(3), 40, "cpu")
    assert {step.model["model_type"] for step in steps} == set(FAMILIES)
    assert [step.name for step in random_steps(random.Random(3), 40, "cpu")] == [
        step.name for step in steps]
    for step in steps:
        step.training.validate()
        assert "--gpu" not in step.words
        assert ("materialized" in step.words) == (step.training.attention == "eager")
    for step in random_steps(random.Random(3), 40, "h100"):
        heads = step.model.get("head_dim") or step.model.get("n_embd", 0) // step.model.get(
            "n_head", 1) or step.model["hidden_size"] // step.model["num_attention_heads"]
        assert heads % 8 == 0 and step.words[-2:] == ["--gpu", "h100"]


def test_a_line_a_step(capsys: Any) -> None:
    steps = list(enumerate(random_steps(random.Random(1), 2, "cpu"), 1))
    same = Listed([(4, False)], ["mm"], [("forward", 0, 0)])

    def count(step: Step) -> Listed:
        return same if step is steps[0][1] else Listed([(8, False)], ["mm"], same.phases)

    assert run(steps, count, lambda step: same) == 1
    text = capsys.readouterr().out
    assert text.startswith("✓   1") and "\n✗   2" in text
    assert text.endswith("1 of 2 streams are equal; 2 events\n")
