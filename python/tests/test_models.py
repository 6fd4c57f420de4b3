"""transformers models: fake tensors against real ones, and counts made by hand."""

from __future__ import annotations

import time

import pytest
from conftest import CONFIGURATIONS, multiset

from ballast_probe import (
    PointOptions, ProbeError, Prober, RegionBytes, UsageError, probe_configuration,
)

UNKNOWN = ["gemma", "phi3", "mixtral", "gpt_neox", "olmo2", "granite", "qwen3_moe", "gemma3_text",
           "starcoder2", "deepseek_v3", "opt"]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_fake_tensors_save_what_real_ones_do(family: str, attention: str) -> None:
    """In both modes, with dtypes in turn; the regions sum to the total, tensor by tensor."""
    dtypes = ("float32", "bfloat16") if attention == "eager" else ("bfloat16", "float32")
    for mode, dtype in zip(("full-graph", "detached-prefix"), dtypes):
        options = PointOptions(n_c=44, n_g=13, batch=2, attention=attention, mode=mode, dtype=dtype)
        fake = probe_configuration(CONFIGURATIONS[family], options)
        real = Prober(CONFIGURATIONS[family], PointOptions(**{**vars(options), "device": "cpu"}))
        step = real._model("cpu").step(PointOptions(**{**vars(options), "device": "cpu"}))
        assert multiset(fake.saved) == multiset(step.probe.saved), (mode, dtype)
        assert [one.node for one in fake.saved] == [one.node for one in step.probe.saved]
        assert step.loss is not None and step.loss > 0
        assert fake.options.device == "fake" and fake.notes == ()
        assert all(one.regions.total == one.storage_bytes for one in fake.saved)
        assert min(vars(fake.regions).values()) >= 0
        assert fake.regions.prefix > 0 and fake.regions.generated > 0


def test_ten_families_are_unknown_to_ballast() -> None:
    known = {"gpt2", "llama", "mistral", "qwen2", "qwen3"}
    assert len(set(UNKNOWN) - known) >= 10 and set(UNKNOWN) < set(CONFIGURATIONS)


def test_a_llama_by_hand() -> None:
    """Every saved byte of a float32 llama with fused attention, from the model's sizes."""
    b, c, g, layers, d, kv, f, h, v = 2, 44, 13, 2, 64, 32, 96, 4, 211
    n = b * (c + g)
    # A norm keeps its input, rstd, the normalised rows and, as the input of what follows, its
    # product; its casts to float32 are no other tensors here.
    norm = 3 * d + 1
    attention = d + kv + kv + d + h  # q, k, v, the output, and the log-sum-exp
    layer = 2 * norm + attention + 4 * f  # gate, its activation, up, and their product
    once = norm + v  # the last norm, and logarithms of probabilities
    rotary = 2 * (c + g) * 16  # cosines and sines, for all sequences and layers
    expected = 4 * (layers * layer * n + once * n + rotary) + 8 * n + 8 * n + 4  # ids and labels
    found = probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=c, n_g=g, batch=b))
    assert found.retained_bytes == expected
    assert found.regions.shared == 4  # the weight of all labels
    assert found.regions.prefix * g == found.regions.generated * c
    assert found.regions.crossing == 0


def test_crossing_is_the_probabilities_of_generated_rows() -> None:
    found = probe_configuration(
        CONFIGURATIONS["llama"], PointOptions(n_c=44, n_g=13, batch=2, attention="eager"))
    assert found.regions.crossing == 2 * 2 * 4 * 13 * 44 * 4  # layers, batch, heads, rows, keys


@pytest.mark.parametrize("mode", ["full-graph", "detached-prefix"])
def test_sizes_that_coincide_do_not_matter(mode: str) -> None:
    """With 64 tokens an axis of 64 may be tokens or the width; other lengths tell."""
    def regions(n_c: int, n_g: int) -> RegionBytes:
        options = PointOptions(n_c=n_c, n_g=n_g, attention="eager", mode=mode)
        return probe_configuration(CONFIGURATIONS["llama"], options).regions

    at, before, after = regions(48, 16), regions(47, 16), regions(49, 16)
    for region in ("generated", "crossing", "shared"):
        values = [getattr(one, region) for one in (before, at, after)]
        assert values[1] * 2 == values[0] + values[2], region
    # The probabilities of prefix rows make the prefix quadratic.
    second = before.prefix - 2 * at.prefix + after.prefix
    assert second == (2 * 2 * 4 * 4 if mode == "full-graph" else 0)


def test_detached_prefix_keeps_keys_and_values_and_the_rows_that_stay() -> None:
    found = {keep: probe_configuration(
        CONFIGURATIONS["llama"],
        PointOptions(n_c=44, n_g=13, mode="detached-prefix", keep_prefix=keep, attention="eager"))
        for keep in (0, 1, 3, 44, 60)}
    full = probe_configuration(CONFIGURATIONS["llama"],
                               PointOptions(n_c=44, n_g=13, attention="eager"))
    assert found[0].saved == found[1].saved
    assert found[44].saved == found[60].saved == full.saved
    assert found[44].notes == found[3].notes == ()
    keys = [one for one in found[3].saved if one.node == "BmmBackward0.mat2"]
    assert len(keys) == 4 and all(57 in one.shape for one in keys)
    for one in keys:
        assert one.regions == RegionBytes(
            prefix=one.storage_bytes * 44 // 57, generated=one.storage_bytes * 13 // 57)
    norm = next(one for one in found[3].saved if one.node == "RsqrtBackward0.result")
    assert norm.regions == RegionBytes(prefix=3 * 4, generated=13 * 4)


def test_frozen_weights_need_no_inputs() -> None:
    options = PointOptions(n_c=44, n_g=13, trainable=r"q_proj")
    some = probe_configuration(CONFIGURATIONS["llama"], options)
    every = probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=44, n_g=13))
    assert some.retained_bytes < every.retained_bytes
    assert not any(one.path == "model.layers.1.mlp.down_proj" for one in some.saved)
    assert any(one.path == "model.layers.0.self_attn.q_proj" for one in some.saved)
    assert some.gradient_bytes == 2 * 64 * 64 * 4
    assert some.parameter_bytes == every.parameter_bytes == every.gradient_bytes


def test_checkpointing_keeps_the_inputs_of_layers() -> None:
    options = PointOptions(n_c=44, n_g=13, recompute="layer", attention="eager")
    found = probe_configuration(CONFIGURATIONS["llama"], options)
    inside = [one for one in found.saved if one.layer is not None]
    assert [one.key for one in inside] == [((1, 57, 64), "float32", 57 * 64 * 4)] * 2
    # The mask, cosines and sines, and positions.
    assert found.held_by_checkpoint_bytes == 57 * 57 * 4 + 2 * 57 * 16 * 4 + 57 * 8
    real = probe_configuration(
        CONFIGURATIONS["llama"], PointOptions(**{**vars(options), "device": "cpu"}))
    assert multiset(real.saved) == multiset(found.saved)
    assert real.held_by_checkpoint_bytes == found.held_by_checkpoint_bytes


def test_dropout_saves_masks() -> None:
    def saved(device: str, dropout: float | None) -> object:
        return multiset(probe_configuration(CONFIGURATIONS["gpt2"], PointOptions(
            n_c=20, n_g=8, attention="eager", device=device, dropout=dropout)).saved)

    assert saved("fake", 0.1) == saved("cpu", 0.1) == saved("fake", None)
    assert saved("fake", 0.0) != saved("fake", 0.1)


def test_large_models_take_seconds() -> None:
    began = time.monotonic()
    found = probe_configuration("llama-3.1-8b", PointOptions(n_c=7168, n_g=1024))
    assert time.monotonic() - began < 60
    assert found.parameter_bytes == 16_060_522_496
    assert found.options.dtype == "bfloat16"
    assert found.retained_bytes == found.regions.total == 57_124_487_180
    assert found.regions.shared == 12


def test_what_cannot_be_is_refused() -> None:
    for options, sentence in (
        (PointOptions(n_c=-1, n_g=2), "n-c"), (PointOptions(n_c=1, n_g=0), "n-g"),
        (PointOptions(n_c=0, n_g=1), "no loss"),
        (PointOptions(n_c=1, n_g=1, mode="nonsense"), "full-graph"),
        (PointOptions(n_c=1, n_g=1, trainable="["), "regular expression"),
        (PointOptions(n_c=1, n_g=1, keep_prefix=1), "detached-prefix"),
        (PointOptions(n_c=9, n_g=1, mode="detached-prefix", recompute="layer"), "drops"),
    ):
        with pytest.raises(UsageError, match=sentence):
            probe_configuration(CONFIGURATIONS["llama"], options)
    with pytest.raises(ProbeError, match="no parameter"):
        probe_configuration(CONFIGURATIONS["llama"],
                            PointOptions(n_c=4, n_g=4, trainable="nothing"))
    with pytest.raises(UsageError, match="the model has 2"):
        probe_configuration(CONFIGURATIONS["llama"], PointOptions(n_c=4, n_g=4, layers=3))


def test_the_first_layers_alone() -> None:
    for family in ("gpt2", "llama", "gemma3_text"):
        options = PointOptions(n_c=44, n_g=13, layers=1)
        found = probe_configuration(CONFIGURATIONS[family], options)
        assert found.sizes["layers"] == 1
        assert {one.layer for one in found.saved} == {None, 0}
