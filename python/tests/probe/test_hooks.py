"""Steps with saved-tensor hooks of their own, and boundaries that come too late."""

from __future__ import annotations

import functools
import pickle
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from torch.utils.checkpoint import (
    CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts)

from ballast_probe import ProbeError, record

ROWS, WIDTH, INNER = 5, 4, 6
# x, the hidden rows before and after the activation; the last linear layer needs the activation.
BY_HAND = 4 * ROWS * (WIDTH + INNER + INNER)


class _Half(saved_tensors_hooks):
    """Packs to half the bytes."""

    def __init__(self) -> None:
        super().__init__(lambda tensor: tensor.to(torch.bfloat16),
                         lambda packed: packed.to(torch.float32))


class _Tracker(saved_tensors_hooks):
    """Keeps copies under a number, as torchtune's and TRL's OffloadActivations do."""

    def __init__(self) -> None:
        self.tracker: dict[int, tuple[torch.Tensor, bool]] = {}
        self.constant = torch.zeros(1000)  # is no saved tensor
        super().__init__(self._put, self._take)

    def _put(self, tensor: torch.Tensor) -> int:
        number = len(self.tracker)
        self.tracker[number] = (tensor.clone(), True)
        return number

    def _take(self, number: int) -> torch.Tensor:
        return self.tracker.pop(number)[0]


class _Disk(saved_tensors_hooks):
    """Keeps nothing in memory."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="ballast-probe-test-")

        def put(tensor: torch.Tensor) -> str:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                pickle.dump(tensor.detach(), file)
            return file.name

        def take(name: str) -> torch.Tensor:
            value: torch.Tensor = pickle.loads(Path(name).read_bytes())
            Path(name).unlink()
            return value

        super().__init__(put, take)


@contextmanager
def _pushed_by_hand() -> Iterator[None]:
    torch._C._autograd._push_saved_tensors_default_hooks(
        lambda tensor: [tensor.clone()], lambda packed: packed[0])
    try:
        yield
    finally:
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(WIDTH, INNER), nn.Softplus(), nn.Linear(INNER, WIDTH))


def _gradients(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("hooks, expected", [
    (save_on_cpu, BY_HAND),
    # Copies: a weight is no activation, but a copy of one that backward reads is memory.
    (functools.partial(save_on_cpu, pin_memory=True), BY_HAND + 4 * WIDTH * INNER),
    (_Half, (BY_HAND + 4 * WIDTH * INNER) // 2),
    (_Tracker, BY_HAND + 4 * WIDTH * INNER),
    (_pushed_by_hand, BY_HAND + 4 * WIDTH * INNER),
])
def test_hooks_of_the_steps_own_are_seen_through(
    hooks: Callable[[], AbstractContextManager[Any]], expected: int, outside: bool
) -> None:
    """Inside the block or around it: what they keep counts, and gradients are the step's own."""
    model, x = _model(), torch.randn(ROWS, WIDTH)
    with hooks():
        loss = model(x).sum()
    loss.backward()
    before = _gradients(model)
    model.zero_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if outside:
            with hooks(), record(model) as probe:
                loss = model(x).sum()
                probe.boundary(loss)
        else:
            with record(model) as probe:
                with hooks():
                    loss = model(x).sum()
                probe.boundary(loss)
    assert probe.retained_bytes == expected
    assert probe.notes == ()
    loss.backward()
    assert all(map(torch.equal, before, _gradients(model)))
    assert probe._listener.alive() == []


def test_only_a_part_of_the_step_under_hooks() -> None:
    model, x = _model(), torch.randn(ROWS, WIDTH)
    with record(model) as probe:
        with save_on_cpu():
            hidden = model[0](x)
        loss = model[2](model[1](hidden)).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == BY_HAND
    assert [saved.path for saved in probe.saved] == ["0", "1", "2"]
    assert probe.saved[0].node == "AddmmBackward0.mat1"


def test_what_hooks_put_out_of_sight_is_said() -> None:
    model, x = _model(), torch.randn(ROWS, WIDTH)
    with pytest.warns(UserWarning, match="not counted"), record(model) as probe:
        with _Disk():
            loss = model(x).sum()
        probe.boundary(loss)
    assert probe.saved == []
    (note,) = probe.notes
    passed = BY_HAND + 4 * WIDTH * INNER
    assert "_Disk" in note and f"4 saved tensors of {passed} bytes" in note
    loss.backward()


def test_what_moved_to_another_device_is_counted_and_said() -> None:
    """Offloading is from a GPU; here meta stands in for the device that tensors leave."""
    model = _model().to("meta")
    with pytest.warns(UserWarning, match="lie on device cpu"), record(model) as probe:
        with saved_tensors_hooks(lambda tensor: torch.zeros(tensor.shape),
                                 lambda packed: packed.to("meta")):
            loss = model(torch.randn(ROWS, WIDTH, device="meta")).sum()
        probe.boundary(loss)
    assert {saved.device for saved in probe.saved} == {"cpu"}
    assert probe.retained_bytes == BY_HAND + 4 * WIDTH * INNER


def test_one_probe_inside_another() -> None:
    model, x = _model(), torch.randn(ROWS, WIDTH)
    with record(model) as outer:
        with record(model) as inner:
            loss = model(x).sum()
            inner.boundary(loss)
        outer.boundary(loss)
    assert inner.retained_bytes == outer.retained_bytes == BY_HAND
    assert [saved.node for saved in inner.saved] == [saved.node for saved in outer.saved]
    loss.backward()


@pytest.mark.parametrize("with_loss", [True, False])
def test_a_boundary_after_backward_is_refused(with_loss: bool) -> None:
    model = _model()
    with pytest.raises(ProbeError, match="backward ran before the boundary"):
        with record(model) as probe:
            loss = model(torch.randn(ROWS, WIDTH)).sum()
            loss.backward()
            if with_loss:
                probe.boundary(loss)
    with pytest.raises(ProbeError, match="not reached"):
        probe.saved
    assert not any(module._forward_hooks for module in model.modules())


def test_a_step_of_which_nothing_is_left_is_refused() -> None:
    model = _model()
    with pytest.raises(ProbeError, match="backward ran"), record(model):
        model(torch.randn(ROWS, WIDTH)).sum().backward()


def test_a_backward_before_the_last_forward_is_fine() -> None:
    """Gradients are accumulated: the second microbatch is what is kept at its boundary."""
    model = _model()
    with record(model) as probe:
        model(torch.randn(ROWS, WIDTH)).sum().backward()
        loss = model(torch.randn(ROWS, WIDTH)).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == BY_HAND


def test_a_backward_that_retains_the_graph_is_fine() -> None:
    model = _model()
    with record(model) as probe:
        loss = model(torch.randn(ROWS, WIDTH)).sum()
        loss.backward(retain_graph=True)
        probe.boundary(loss)
    assert probe.retained_bytes == BY_HAND


@pytest.mark.parametrize("loss, words", [
    (torch.zeros(()), "no graph"), (3.0, "float"), ("loss", "str"),
])
def test_a_loss_that_is_none_is_refused(loss: Any, words: str) -> None:
    with record() as probe:
        kept = torch.randn(3, requires_grad=True).exp()
        with pytest.raises(ProbeError, match=words):
            probe.boundary(loss)
    del kept


def test_what_was_saved_before_the_block_is_said() -> None:
    model, x = _model(), torch.randn(ROWS, WIDTH)
    hidden = model[1](model[0](x))
    with pytest.warns(UserWarning, match="not saved inside the block"), record(model) as probe:
        loss = model[2](hidden).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == 4 * ROWS * INNER
    assert f"2 storages of {4 * ROWS * (WIDTH + INNER)} bytes" in probe.notes[0]


def test_what_another_thread_saved_is_said() -> None:
    model, x, made = _model(), torch.randn(ROWS, WIDTH), []
    with pytest.warns(UserWarning, match="another thread"), record(model) as probe:
        thread = threading.Thread(target=lambda: made.append(model(x).sum()))
        thread.start()
        thread.join()
        probe.boundary(made[0])
    assert probe.saved == [] and f"{BY_HAND} bytes" in probe.notes[0]


_PLACES = torch.tensor([[0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 0, 1]])
_VALUES = torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 2.0])


@pytest.mark.parametrize("make, expected", [
    (lambda: torch.sparse_coo_tensor(_PLACES, _VALUES, (3, 4)).coalesce(), 6 * 4 + 2 * 6 * 8),
    (lambda: torch.sparse_csr_tensor(torch.tensor([0, 4, 6, 6]), _PLACES[1].clone(), _VALUES),
     6 * 4 + 6 * 8 + 4 * 8),
    (lambda: torch.sparse_csc_tensor(torch.tensor([0, 2, 4, 5, 6]),
                                     torch.tensor([0, 1, 0, 1, 0, 0]), _VALUES, (3, 4)),
     6 * 4 + 6 * 8 + 5 * 8),
])
def test_sparse_tensors_are_counted(make: Callable[[], torch.Tensor], expected: int) -> None:
    """Six values and their places: 64-bit indices, of each, or of one axis and the other's starts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = make()
    weight = torch.randn(4, 2, requires_grad=True)
    with record() as probe:
        loss = (matrix @ weight).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == expected
    assert {saved.node for saved in probe.saved} == {"MmBackward0.self"}
    loss.backward()


def test_tensors_of_another_library_are_said() -> None:
    with pytest.warns(UserWarning, match="layout _mkldnn"), record() as probe:
        with saved_tensors_hooks(lambda tensor: tensor.detach().to_mkldnn(),
                                 lambda packed: packed.to_dense()):
            loss = torch.randn(3, 4, requires_grad=True).exp().sum()
        probe.boundary(loss)
    assert probe.saved == []


def test_selective_checkpoints_cache_what_they_save() -> None:
    model, x = _model(), torch.randn(ROWS, WIDTH)

    def policy(context: Any, op: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        is_product = op in (torch.ops.aten.addmm.default, torch.ops.aten.mm.default)
        return CheckpointPolicy.MUST_SAVE if is_product else CheckpointPolicy.PREFER_RECOMPUTE

    with record(model) as probe:
        loss = checkpoint(
            model, x, use_reentrant=False,
            context_fn=functools.partial(create_selective_checkpoint_contexts, policy)).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == 4 * ROWS * WIDTH
    assert probe.held_by_checkpoint_bytes == 4 * ROWS * (INNER + WIDTH)
    loss.backward()
