"""What the context manager counts, against counts made by hand."""

from __future__ import annotations

import functools
import gc

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ballast_probe import Layout, ProbeError, RegionBytes, record


def test_linear_saves_its_input_alone() -> None:
    model = nn.Linear(3, 7)
    with record(model) as probe:
        loss = model(torch.randn(5, 3)).sum()
        probe.boundary(loss)
    (saved,) = probe.saved
    assert saved.key == ((5, 3), "float32", 5 * 3 * 4)
    assert saved.node == "AddmmBackward0.mat1"
    assert (saved.order, saved.layer, saved.path) == (0, None, "")


def test_a_frozen_linear_saves_nothing_but_its_weight() -> None:
    model = nn.Linear(3, 7).requires_grad_(False)
    with record(model) as probe:
        loss = model(torch.randn(5, 3, requires_grad=True)).sum()
        probe.boundary(loss)
    assert probe.saved == []
    assert probe.retained_bytes == 0


def test_without_a_model_parameters_count() -> None:
    model = nn.Linear(3, 7).requires_grad_(False)
    with record() as probe:
        loss = model(torch.randn(5, 3, requires_grad=True)).sum()
        probe.boundary(loss)
    assert [saved.storage_bytes for saved in probe.saved] == [3 * 7 * 4]


def test_layer_norm_saves_input_mean_and_rstd() -> None:
    model = nn.LayerNorm(8)
    with record(model) as probe:
        loss = model(torch.randn(5, 8)).sum()
        probe.boundary(loss)
    assert [saved.key for saved in probe.saved] == [
        ((5, 8), "float32", 160), ((5, 1), "float32", 20), ((5, 1), "float32", 20)]
    assert {saved.node.split(".")[0] for saved in probe.saved} == {"NativeLayerNormBackward0"}


class _MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(4, 6, bias=False), nn.Linear(4, 6, bias=False)
        self.down = nn.Linear(6, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


def test_a_gated_mlp_saves_five_tensors_and_its_input_once() -> None:
    model = _MLP()
    with record(model) as probe:
        loss = model(torch.randn(5, 4)).sum()
        probe.boundary(loss)
    # x, gate, silu(gate) and up for the product, and the product.
    assert sorted(saved.storage_bytes for saved in probe.saved) == [80, 120, 120, 120, 120]
    first = probe.saved[0]
    assert (first.path, first.also_saved_by) == ("gate", ("up:MmBackward0.self",))
    assert probe.saved[-1].path == "down"


def test_softmax_attention_saves_operands_and_probabilities() -> None:
    q, k, v = (torch.randn(2, 3, 5, 4, requires_grad=True) * 1.0 for _ in range(3))
    with record() as probe:
        loss = (torch.softmax(q @ k.transpose(2, 3), dim=-1) @ v).sum()
        probe.boundary(loss)
    operand, probabilities = 2 * 3 * 5 * 4 * 4, 2 * 3 * 5 * 5 * 4
    assert sorted(saved.storage_bytes for saved in probe.saved) == sorted(
        [operand, operand, operand, probabilities])


def test_what_a_graph_dropped_is_not_counted() -> None:
    x = torch.randn(64, requires_grad=True)
    with record() as probe:
        side = (x * 2).exp().sum()
        loss = (x * 3).exp()
        del side
        gc.collect()
        probe.boundary(loss)
    assert [saved.node for saved in probe.saved] == ["ExpBackward0.result"]


def test_addresses_used_again_are_other_storages() -> None:
    """Each round frees a storage whose address the next may get; what is kept must all be seen."""
    x = torch.randn(1000, requires_grad=True)
    kept = []
    with record() as probe:
        for round in range(40):
            graph = (x + round).exp()
            if round % 4 == 0:
                kept.append(graph)
            del graph
        probe.boundary(torch.stack(kept).sum())
    assert len(probe.saved) == 10
    assert probe.retained_bytes == 10 * 4000


def test_nothing_is_left_when_the_graph_goes() -> None:
    """An op that keeps its own result must not be kept by it."""
    x = torch.randn(64, requires_grad=True)
    with record() as probe:
        loss = (x * 2).exp().softmax(0).sum()
        probe.boundary(loss)
    assert len(probe.saved) == 2
    del loss
    assert probe._listener.alive() == []


def test_a_view_keeps_its_whole_base() -> None:
    base = torch.randn(10, 8, requires_grad=True) * 1.0
    with record() as probe:
        loss = base[2:4].exp().sum() + (base[:3] ** 2).sum()
        probe.boundary(loss)
    sizes = {saved.node: (saved.shape, saved.storage_bytes) for saved in probe.saved}
    assert sizes["ExpBackward0.result"] == ((2, 8), 64)
    assert sizes["PowBackward0.self"] == ((3, 8), 320)


def test_views_and_tied_parameters_do_not_count() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(11, 4)
            self.head = nn.Linear(4, 11, bias=False)
            self.head.weight = self.embed.weight
            self.register_buffer("scale", torch.full((5, 4), 2.0))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            hidden = self.embed(ids) * self.scale
            return self.head(hidden).sum() + (hidden @ self.head.weight[3:].t()).sum()

    with record(model := Tied()) as probe:
        loss = model(torch.arange(5))
        probe.boundary(loss)
    # The ids, the buffer, and the hidden rows once.
    assert [saved.key for saved in probe.saved] == [
        ((5,), "int64", 40), ((5, 4), "float32", 80), ((5, 4), "float32", 80)]


def test_gradients_are_the_same_with_and_without() -> None:
    torch.manual_seed(0)
    model, x = _MLP(), torch.randn(5, 4)
    model(x).square().sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with record(model) as probe:
        loss = model(x).square().sum()
        probe.boundary(loss)
    loss.backward()
    assert all(torch.equal(parameter.grad, other)
               for parameter, other in zip(model.parameters(), expected))


def test_hooks_go_when_the_block_ends_or_fails() -> None:
    model = _MLP()
    with pytest.raises(RuntimeError), record(model):
        model(torch.randn(5, 9))
    with record(model) as probe:
        kept = model(torch.randn(5, 4))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert len(probe.saved) == 5
    assert probe.saved[0].node == "MmBackward0.self"
    del kept


def test_a_probe_has_nothing_to_say_before_the_boundary() -> None:
    with record() as probe:
        with pytest.raises(ProbeError, match="boundary"):
            probe.saved
        loss = torch.randn(3, requires_grad=True).exp()
        before = probe.boundary(loss)
        loss = loss.exp()
    assert len(before) == 1 and probe.saved is before


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_keeps_the_inputs_and_what_functions_hold(reentrant: bool) -> None:
    model = _MLP()
    x = torch.randn(5, 4, requires_grad=True)

    def run(factor: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return model(rows * factor)

    with record(model) as probe:
        hidden = x * 1.0
        function = functools.partial(run, torch.full((5, 4), 3.0))
        loss = checkpoint(function, hidden, use_reentrant=reentrant).sum()
        del function, hidden
        gc.collect()
        probe.boundary(loss)
    assert [saved.key for saved in probe.saved] == [((5, 4), "float32", 80)]
    assert probe.held_by_checkpoint_bytes == 80
    loss.backward()
    assert x.grad is not None and model.down.weight.grad is not None


def test_layout_divides_by_sizes() -> None:
    with record(layout=Layout(n_c=6, n_g=4, batch=3)) as probe:
        x = torch.randn(3, 10, 5, requires_grad=True) * 1.0
        loss = x.flatten(0, 1).exp().sum()
        loss = loss + torch.softmax(torch.randn(3, 2, 10, 10, requires_grad=True), -1).sum()
        probe.boundary(loss)
    rows, matrix = probe.saved
    assert rows.shape == (30, 5)
    assert rows.regions == RegionBytes(prefix=3 * 6 * 5 * 4, generated=3 * 4 * 5 * 4)
    assert matrix.regions == RegionBytes(
        prefix=6 * 10 * 24, generated=4 * 4 * 24, crossing=4 * 6 * 24)
    assert probe.regions.total == probe.retained_bytes
