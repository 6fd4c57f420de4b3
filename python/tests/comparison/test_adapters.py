"""Random adapters, names of parameters, and dropout by counters."""

from __future__ import annotations

import random

import pytest
import torch

from comparison.adapters import our_name
from comparison.dropout import CountedDropout, key, mix
from comparison.trials import committed, random_trial


def test_random_trials_fit_together() -> None:
    for number in range(200):
        trial = random_trial(random.Random(number), number, 0)
        assert trial.case.batch % trial.suffixes == 0 and trial.case.keep_prefix <= trial.case.n_c
        if trial.lengths:
            assert trial.suffixes == 1 and trial.case.batch == len(trial.lengths)
            assert trial.case.n == max(n for n, _ in trial.lengths) + max(n for _, n in trial.lengths)
        assert ("suffixes-at-a-time" in trial.options) <= (trial.options.get("sharing") == "prefix")


def test_committed_folders_have_names_of_their_own() -> None:
    names = [("dropout" if trial.adapter.lora_dropout else "adapter", trial.case.family)
             for trial in committed()]
    assert len(set(names)) == len(names) == 9


@pytest.mark.parametrize(("theirs", "ours"), [
    ("base_model.model.model.layers.0.q_proj.base_layer.weight", "model.layers.0.q_proj.weight"),
    ("base_model.model.lm_head.modules_to_save.default.weight", "base_model.model.lm_head.weight"),
    ("base_model.model.h.0.c_attn.lora_A.default.weight", "base_model.model.h.0.c_attn.lora_A.weight"),
])
def test_names(theirs: str, ours: str) -> None:
    assert our_name(theirs) == ours


def test_splitmix() -> None:
    """The first outputs of SplitMix64 from 0, as Java's SplittableRandom and others publish them."""
    step = 0x9E3779B97F4A7C15
    assert [mix(step * k % 2**64) for k in (1, 2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    assert key(0, "a") != key(1, "a") != key(0, "b")


def test_a_mask_follows_from_the_place_alone() -> None:
    def dropped(first: int, rows: int, batch: list[int], groups: list[int], shared: int) -> torch.Tensor:
        dropout = CountedDropout(0.5, "q_proj")
        dropout.count(batch, groups, shared, first + rows, 16)
        dropout(torch.ones(len(batch), first, 8)) if first else None
        return dropout(torch.ones(len(batch), rows, 8))  # type: ignore[no-any-return]

    whole = dropped(0, 12, [0, 1], [0, 0], 4)
    assert set(whole.flatten().tolist()) == {0.0, 2.0} and 0.3 < float((whole == 0).float().mean()) < 0.7
    assert torch.equal(whole[0, :4], whole[1, :4]) and not torch.equal(whole[0, 4:], whole[1, 4:])
    assert torch.equal(dropped(5, 7, [0, 1], [0, 0], 4), whole[:, 5:])
    assert torch.equal(dropped(0, 12, [1], [1], 0)[0, 4:], whole[1, 4:])
