"""Steps with a prefix: gradients, bytes, and what is refused."""

from __future__ import annotations

import copy
import random
import statistics
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ballast import StepError, group_step, prefix_step
from comparison.prefix_models import FAMILIES, built
from comparison.prefixes import Case, check, gradients_of, random_case, worst

LLAMA = dict(
    model_type="llama", hidden_size=64, intermediate_size=96, num_hidden_layers=3,
    num_attention_heads=4, num_key_value_heads=2, vocab_size=101, max_position_embeddings=4096,
    bos_token_id=0, eos_token_id=0, pad_token_id=0)


def llama(**fields: Any) -> Any:
    return built(LLAMA | fields, "sdpa", torch.float32, 0)


def tokens(*shape: int) -> Tensor:
    return torch.randint(1, 101, shape, generator=torch.Generator().manual_seed(3))


def whole(model: Any, ids: Tensor, n_c: int) -> dict[str, Tensor]:
    labels = ids.clone()
    labels[:, :n_c] = -100
    model.zero_grad()
    model(ids, labels=labels, use_cache=False).loss.backward()
    return gradients_of(model)


def stepped(model: Any, ids: Tensor, n_c: Any, **given: Any) -> dict[str, Tensor]:
    model.zero_grad()
    prefix_step(model, ids, n_c, **given).backward()  # type: ignore[no-untyped-call]
    return gradients_of(model)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "gpt_oss", "deepseek_v3", "qwen3_moe"])
def test_random_steps_have_the_whole_graphs_gradient(family: str) -> None:
    fault, double, single = check(random_case(random.Random(family), family))
    assert fault is None
    assert double < 1e-10 and single < 1e-3


@pytest.mark.parametrize(("family", "mode", "recomputes"), [
    ("opt", "replayed", False),  # counts positions without padding, most models with it
    ("deepseek_v3", "pruned", True),  # its keys are its own, which is found in the first pass
])
def test_padding_on_the_left_is_the_models_own(family: str, mode: str, recomputes: bool) -> None:
    draw = random.Random(family)
    case = replace(random_case(draw, family), api="prefix", mode=mode, attention="sdpa", batch=2,
                   lengths=(3, 30), suffixes=(3, 14), padding="left", chunk=16, at_a_time=None,
                   recomputes=recomputes, adapter="none", accumulation=1)
    fault, double, _ = check(case)
    assert fault is None and double < 1e-10


def test_every_family_is_drawn() -> None:
    draw = random.Random(0)
    assert {random_case(draw, family).model["model_type"] for family in FAMILIES} == set(FAMILIES)


def test_the_oracle_finds_a_missing_part_of_the_gradient() -> None:
    model, ids = llama(), tokens(1, 40)
    wanted = whole(model, ids, 30)
    error, _ = worst(stepped(model, ids, 30, mode="detached"), wanted)
    assert error > 1e-2


def test_detached_with_all_rows_kept_is_exact() -> None:
    model, ids = llama(), tokens(1, 40)
    wanted = whole(model, ids, 30)
    errors = [worst(stepped(model, ids, 30, mode="detached", keep=keep), wanted)[0]
              for keep in (0, 20, 29)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-5


def test_layers_computed_again_change_nothing() -> None:
    model, ids = llama(), tokens(2, 40)
    wanted = whole(model, ids, 30)
    assert worst(stepped(model, ids, 30, chunk=7, recompute=True), wanted)[0] < 1e-5
    model.gradient_checkpointing_enable()
    assert worst(stepped(model, ids, 30, chunk=7), wanted)[0] < 1e-5
    assert model.model.layers[0].gradient_checkpointing


@pytest.mark.parametrize(
    ("way", "most"),
    [("autocast", 1.05), ("weights", 1.08)])
def test_bfloat16_errs_as_the_whole_graph_does(way: str, most: float) -> None:
    """Over 60 and 120 seeds in the mean 0.988 times its error under autocast, and 1.014 times with
    weights of bfloat16, to whose `.grad` each chunk adds and rounds; one seed deviates by 0.04."""
    ratios = []
    for seed in range(12):
        draw = torch.Generator().manual_seed(seed)
        exact = llama()
        for parameter in exact.parameters():
            if parameter.dim() > 1:
                spread = float(parameter.detach().std())
                parameter.data = torch.randn(parameter.shape, generator=draw) * spread
        ids = torch.randint(1, 101, (1, 300), generator=draw)
        wanted = whole(exact, ids, 250)
        half = exact if way == "autocast" else copy.deepcopy(exact).to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
            own, _ = _relative(whole(half, ids, 250), wanted)
            found, _ = _relative(stepped(half, ids, 250, chunk=64), wanted)
        ratios.append(found / own)
    assert statistics.mean(ratios) < most


def _relative(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> tuple[float, float]:
    """The error and the size of a gradient as one vector."""
    error = sum(float((found[name].float() - want).norm()) ** 2 for name, want in wanted.items())
    size = sum(float(want.norm()) ** 2 for want in wanted.values())
    return (error / size) ** 0.5, size ** 0.5


def test_a_backward_pass_outside_of_autocast_repeats_the_prefix_inside() -> None:
    model, ids = llama(), tokens(1, 200)
    wanted = whole(model, ids, 150)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss = prefix_step(model, ids, 150, chunk=64)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.dtype == p.dtype for p in model.parameters())
    assert 1e-4 < _relative(gradients_of(model), wanted)[0] < 2e-2


def test_padding_behind_rows_copies_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from ballast.keyvalues import Seen

    model, ids = llama(), tokens(2, 40)
    mask = torch.ones_like(ids)
    mask[1, 35:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :30] = -100
    model.zero_grad()
    model(ids, labels=labels, attention_mask=mask, use_cache=False).loss.backward()
    wanted = gradients_of(model)

    def copied(*_: Any) -> Any:
        raise AssertionError("keys are copied together")

    monkeypatch.setattr(Seen, "joined", copied)
    found = stepped(model, ids, 30, chunk=7, labels=labels, attention_mask=mask)
    assert worst(found, wanted)[0] < 1e-5


def test_a_chunk_of_bytes_keeps_no_more() -> None:
    from ballast.calls import Caller
    from ballast.sizes import _saved_bytes, chunk_rows

    model, ids = llama(), tokens(1, 1000)
    caller = Caller(model, None)
    rows = chunk_rows(caller, ids, "2MiB")
    assert _saved_bytes(caller, ids[:, :rows]) <= 2 << 20 < _saved_bytes(caller, ids[:, :rows + 2])
    wanted = whole(model, ids, 900)
    assert worst(stepped(model, ids, 900, chunk="2MiB"), wanted)[0] < 1e-5
    with pytest.raises(StepError, match="less than one row takes"):
        chunk_rows(caller, ids, "16B")


def test_dropout_draws_the_same_masks_in_the_replay() -> None:
    fields = dict(model_type="gpt2", n_embd=48, n_layer=3, n_head=4, n_positions=256,
                  vocab_size=101, resid_pdrop=0.3, embd_pdrop=0.2, attn_pdrop=0.0, bos_token_id=0,
                  eos_token_id=0)
    model, ids = built(fields, "sdpa", torch.float32, 0), tokens(1, 40)
    found = []
    # In one chunk, the prefix and then the rows behind it draw the same in both.
    for mode in ("pruned", "replayed"):
        torch.manual_seed(5)
        found.append(stepped(model, ids, 30, mode=mode, chunk=64))
    assert worst(found[1], found[0])[0] < 1e-5
    torch.manual_seed(6)
    assert worst(stepped(model, ids, 30, chunk=64), found[0])[0] > 1e-2


def test_a_replay_leaves_the_random_state_as_it_was() -> None:
    model, ids = llama(attention_dropout=0.1), tokens(1, 40)
    loss = prefix_step(model, ids, 30, chunk=7)
    before = torch.get_rng_state()
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(before, torch.get_rng_state())


def test_bytes_grow_by_keys_values_and_their_gradients_alone(
        monkeypatch: pytest.MonkeyPatch) -> None:
    import ballast_probe
    from ballast import kernels

    # Gradients of as many prefix rows are made at a time, however many there are.
    monkeypatch.setattr(kernels, "BLOCK", 256)
    layers, heads, width = 3, 2, 16

    def peak(n_c: int) -> int:
        with ballast_probe.step(device="cpu") as recording:
            model = llama()
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            ids = torch.zeros(1, n_c + 64, dtype=torch.long)
            prefix_step(model, ids, n_c, chunk=64).backward()  # type: ignore[no-untyped-call]
        return recording.stream.peak().bytes

    rows = 1024
    of_each = 4 * layers * heads * width * 4
    grown = peak(1 + 2 * rows) - peak(1 + rows)
    # Tokens and their positions, 8 bytes each, are a row's as well.
    assert grown == rows * (of_each + 16)


def test_the_peak_is_that_of_pytorchs_own_allocations() -> None:
    import ballast_probe
    from torch.profiler import ProfilerActivity, profile

    def run(model: Any, ids: Tensor) -> None:
        prefix_step(model, ids, 500, chunk=100).backward()  # type: ignore[no-untyped-call]

    def made() -> tuple[Any, Tensor]:
        model = llama()
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        return model, torch.ones(1, 550, dtype=torch.long)

    model, ids = made()
    run(model, ids)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        run(model, ids)
    now = top = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            top = max(top, now)
    with ballast_probe.step(device="cpu") as recording:
        model, ids = made()
        run(model, ids)
    standing = sum(p.numel() * 8 for p in model.parameters()) + ids.numel() * 8
    standing += sum(b.numel() * b.element_size() for b in model.buffers())
    assert recording.stream.peak().bytes - standing == top


class Counting(nn.Module):
    """Changes what it gives with every call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, given: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(given) * self.calls  # type: ignore[no-any-return]


def test_a_model_that_does_not_repeat_itself_is_found_out() -> None:
    model, ids = llama(), tokens(1, 40)
    model.model.layers[0].mlp = Counting(model.model.layers[0].mlp)
    loss = prefix_step(model, ids, 30, chunk=7)
    with pytest.raises(StepError, match="came out otherwise"):
        loss.backward()  # type: ignore[no-untyped-call]


def test_a_step_that_ends_half_way_says_so() -> None:
    model, ids = llama(), tokens(1, 40)
    loss = prefix_step(model, ids, 30, chunk=7)

    def fail(*_: Any) -> None:
        raise ValueError("out of luck")

    model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="out of luck") as caught:
        loss.backward()  # type: ignore[no-untyped-call]
    assert "half-way" in " ".join(caught.value.__notes__)


def test_a_gradient_of_some_inputs_is_refused() -> None:
    model, ids = llama(), tokens(1, 40)
    loss = prefix_step(model, ids, 30, chunk=7)
    with pytest.raises(StepError, match="autograd.grad"):
        torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


@pytest.mark.parametrize(("given", "said"), [
    (dict(n_c=0), "n_c is 0"),
    (dict(n_c=40), "none is left that carries loss"),
    (dict(n_c=30.0), "whole number"),
    (dict(n_c="30"), "whole number"),
    (dict(n_c=[30, 20]), "2 lengths for a batch of 1"),
    (dict(n_c=30, mode="exact"), "one of full, pruned, replayed, detached"),
    (dict(n_c=30, keep=3), "mode='detached'"),
    (dict(n_c=30, mode="detached", keep=30), "give 0 to 29"),
    (dict(n_c=30, chunk=0), "chunk=0"),
    (dict(n_c=30, chunk="12 apples"), "bytes such as '512MiB'"),
    (dict(n_c=30, chunk="0MiB"), "bytes such as '512MiB'"),
    (dict(n_c=30, loss_chunk=-1), "loss_chunk=-1"),
    (dict(n_c=30, labels=torch.ones(1, 39, dtype=torch.long)), "one shape"),
    (dict(n_c=30, labels=torch.ones(1, 40, dtype=torch.long)), "inside the prefix"),
    (dict(n_c=30, labels=torch.full((1, 40), -100)), "no token carries loss"),
    (dict(n_c=30, attention_mask=torch.ones(40)), "attention_mask is"),
    (dict(n_c=30, position_ids=torch.arange(40)[None] % 20), "rows of several documents"),
])
def test_what_cannot_be_is_one_sentence(given: dict[str, Any], said: str) -> None:
    model = llama()
    with pytest.raises(StepError, match=said) as caught:
        prefix_step(model, tokens(1, 40), **given)
    assert "\n" not in str(caught.value)
    assert all(p.grad is None for p in model.parameters())


def test_models_that_no_step_can_train_are_refused() -> None:
    ids = tokens(1, 40)
    with pytest.raises(StepError, match="eval"):
        prefix_step(llama().eval(), ids, 30)
    with pytest.raises(StepError, match="requires_grad=False"):
        prefix_step(llama().requires_grad_(False), ids, 30)
    with pytest.raises(StepError, match="no causal language model"):
        prefix_step(nn.Linear(2, 2), ids, 30)
    hooked = llama()
    next(hooked.parameters()).register_post_accumulate_grad_hook(lambda _: None)
    with pytest.raises(StepError, match="hook"):
        prefix_step(hooked, ids, 30)
    recurrent = built(LLAMA | dict(model_type="qwen3_next", head_dim=16, num_hidden_layers=4),
                      "sdpa", torch.float32, 0)
    with pytest.raises(StepError, match="linear_attention"):
        prefix_step(recurrent, ids, 30)


@pytest.mark.parametrize(("given", "said"), [
    (dict(completions=[]), "no completion"),
    (dict(prompt_ids=torch.ones(2, 5, dtype=torch.long)), "call group_step for each group"),
    (dict(completions=[torch.ones(2, 3, dtype=torch.long)]), "completion 0"),
    (dict(completions=[torch.ones(0, dtype=torch.long)]), "completion 0"),
    (dict(loss=lambda found, mask: torch.zeros((), requires_grad=False)), "does not depend"),
    (dict(loss=lambda found, mask: found), "scalar"),
    (dict(mode="full"), "one of replayed"),
    (dict(mode="pruned", at_a_time=1), "at_a_time"),
])
def test_groups_that_cannot_be_are_one_sentence(given: dict[str, Any], said: str) -> None:
    asked = dict(prompt_ids=tokens(20), completions=[tokens(5), tokens(7)]) | given
    with pytest.raises(StepError, match=said):
        group_step(llama(), **asked)


def test_case_names_are_told_apart() -> None:
    draw = random.Random(1)
    cases = [random_case(draw, "llama") for _ in range(30)]
    assert len({case.name for case in cases}) > 25
    assert all(isinstance(case, Case) for case in cases)
