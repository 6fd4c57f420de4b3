"""Each rule: what is recorded with it, and that it is not so without."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ballast_probe import UsageError
from ballast_probe.recording import step
from ballast_probe.recording.rules import RULES

from conftest import made, on_cpu, on_gpu


def test_every_rule_says_where_it_is_from() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(":" in rule.source and rule.devices for rule in RULES)


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no rule 'nothing'; there are in-place"):
        on_cpu(lambda: None, without="nothing")


def test_in_place_gradients() -> None:
    x = torch.ones(10, 10, requires_grad=True)

    def run() -> None:
        y = x * 2
        (y.exp() + y.sin() + y.cos()).sum().backward()

    names = [op for op, _ in made(on_cpu(run))]
    assert names.count("add") == 2  # of the forward pass
    names = [op for op, _ in made(on_cpu(run, without="in-place-gradients"))]
    assert names.count("add") == 4
    assert x.grad is None


def test_a_gradient_that_somebody_holds_is_not_changed() -> None:
    x = torch.ones(10, 10, requires_grad=True)
    held: list[torch.Tensor] = []

    def run() -> None:
        y = x * 2
        z, w = y.exp(), y.sin()
        z.register_hook(held.append)
        (z + w).sum().backward()

    assert ("add", 400) in made(on_cpu(run))


def test_in_place_formulas() -> None:
    table, places = torch.ones(50, 8, requires_grad=True), torch.zeros(20, dtype=torch.long)

    def run() -> None:
        table[places].sum().backward()

    sizes = [size for _, size in made(on_cpu(run))]
    assert sizes.count(1600) == 1
    sizes = [size for _, size in made(on_cpu(run, without="in-place-formulas"))]
    assert sizes.count(1600) == 2


def test_cuda_autocast_casts_a_weight_once() -> None:
    def run() -> None:
        layer = torch.nn.Linear(64, 32, bias=False, device="cuda")
        x = torch.ones(8, 64, device="cuda")
        for _ in range(2):
            with torch.autocast("cuda", torch.bfloat16):
                y = layer(x) + layer(x)
                assert y.dtype == torch.bfloat16
                assert functional.mse_loss(y, y).dtype == torch.float32
                assert functional.softmax(y, -1).dtype == torch.float32
                assert torch.cat([y, y.float()]).dtype == torch.float32

    assert made(on_gpu(run), "_to_copy").count(("_to_copy", 64 * 32 * 2)) == 2  # a block one
    with pytest.raises(AssertionError):
        on_gpu(run, without="cuda-autocast")
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu", torch.bfloat16):  # its own lists again
        x = torch.ones(4, 4)
        assert functional.softmax(x @ x, -1).dtype == torch.bfloat16


def test_autocast_does_not_cast_what_is_on_the_host() -> None:
    def run() -> None:
        x = torch.ones(4, 4)
        with torch.autocast("cuda", torch.bfloat16):
            assert (x @ x).dtype == torch.float32

    on_gpu(run)


def test_fused_dropout() -> None:
    def run() -> None:
        functional.dropout(torch.ones(1000, device="cuda"), 0.5)

    assert made(on_gpu(run))[1:] == [("native_dropout", 1000), ("native_dropout", 4000)]
    assert ("native_dropout", 1000) not in made(on_gpu(run, without="fused-dropout"))


def test_a_dropout_of_0_is_its_operand() -> None:
    """`_dropout_impl` in Dropout.cpp; PyTorch's own decomposition in Python copies it."""
    def run() -> None:
        weights = torch.ones(1000, device="cuda", requires_grad=True)
        functional.dropout(weights, 0.0).sum().backward()
        functional.dropout(weights, 0.5, training=False)

    assert "clone" not in [op for op, _ in made(on_gpu(run))]
    assert "native_dropout" not in [op for op, _ in made(on_gpu(run))]


def test_the_mask_of_dropout_comes_first() -> None:
    def run() -> None:
        functional.dropout(torch.ones(1000, device="cuda"), 0.5)

    assert made(on_gpu(run, without="dropout-mask-first"))[1:] == [
        ("native_dropout", 4000), ("native_dropout", 1000)]


def _attend(mask: bool = False, dtype: torch.dtype = torch.bfloat16) -> None:
    query, key, value = (torch.ones(1, heads, 64, 32, device="cuda", dtype=dtype,
                                    requires_grad=True) for heads in (4, 4, 4))
    allowed = torch.ones(64, 64, device="cuda", dtype=torch.bool) if mask else None
    functional.scaled_dot_product_attention(query, key, value, allowed)


def test_attention_takes_the_kernel_that_cuda_takes() -> None:
    flash = made(on_gpu(_attend), "_scaled_dot_product_flash_attention")
    assert flash == [(flash[0][0], 64 * 4 * 32 * 2), (flash[0][0], 64 * 4 * 4)]
    assert made(on_gpu(lambda: _attend(mask=True)), "_scaled_dot_product_efficient_attention")
    assert made(on_gpu(lambda: _attend(dtype=torch.float32)),
                "_scaled_dot_product_efficient_attention")
    assert made(on_gpu(_attend, gpu="h100"), "_scaled_dot_product_cudnn_attention")
    assert made(on_gpu(_attend, gpu="h100", attention="flash"),
                "_scaled_dot_product_flash_attention")
    assert not made(on_gpu(_attend, without="cuda-attention"),
                    "_scaled_dot_product_flash_attention")


def test_seeds_of_attention_lie_on_the_host() -> None:
    op = "_scaled_dot_product_flash_attention"
    assert len(made(on_gpu(_attend), op)) == 2
    assert len(made(on_gpu(_attend, without="host-seeds"), op)) == 4


def test_statistics_of_norms_are_float32() -> None:
    def run() -> None:
        x = torch.ones(10, 64, device="cuda", dtype=torch.bfloat16)
        functional.layer_norm(x, (64,))

    assert made(on_gpu(run), "native_layer_norm")[1:] == [("native_layer_norm", 40)] * 2
    assert made(on_gpu(run, without="float-statistics"), "native_layer_norm")[1:] \
        == [("native_layer_norm", 20)] * 2


def _small_llama() -> None:
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, vocab_size=211, dtype="bfloat16")
    model = transformers.AutoModelForCausalLM.from_config(config).to("cuda")
    ids = torch.zeros(2, 32, dtype=torch.long).to("cuda")
    model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)


def test_transformers_masks_are_those_of_data() -> None:
    pytest.importorskip("transformers")
    assert made(on_gpu(_small_llama), "_scaled_dot_product_flash_attention")
    assert not made(on_gpu(_small_llama, without="real-masks"),
                    "_scaled_dot_product_flash_attention")


def test_many_parameters_at_a_time_is_the_default() -> None:
    def run() -> None:
        layer = torch.nn.Linear(64, 64, device="cuda")
        optimizer = torch.optim.AdamW(layer.parameters())
        layer(torch.ones(4, 64, device="cuda")).sum().backward()
        optimizer.step()

    assert len(made(on_gpu(run), "_foreach_sqrt")) == 2
    assert not made(on_gpu(run, without="foreach-is-default"), "_foreach_sqrt")


def test_an_optimizers_own_count_of_steps_is_no_read() -> None:
    layer = torch.nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(layer.parameters())

    def run() -> None:
        layer(torch.ones(4, 8)).sum().backward()
        optimizer.step()

    recording = on_cpu(run)
    assert recording.bytes_of(recording.tensors[0].role) > 0
    assert not optimizer.state and layer.weight.grad is None


def test_histograms_of_whole_numbers_are_whole() -> None:
    def run() -> None:
        experts = torch.zeros(100, dtype=torch.int32, device="cuda")
        torch.histc(experts, bins=8, min=0, max=7)

    assert made(on_gpu(run), "histc") == [("histc", 8 * 4)]
    with pytest.raises(RuntimeError, match="not implemented for 'torch.int32'"):
        on_gpu(run, without="whole-histograms")


def test_a_scaler_of_gradients_and_a_norm_that_must_be_finite() -> None:
    layer = torch.nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(layer.parameters())

    def run() -> None:
        scaler = torch.amp.GradScaler("cuda")
        x = torch.ones(4, 8, device="cuda")
        with torch.autocast("cuda", torch.float16):
            loss = layer(x).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)
        scaler.step(optimizer)
        scaler.update()

    with step(layer, gpu="l4") as recording:
        run()
    assert made(recording, "_foreach_sqrt")  # a real parameter is many at a time as well
