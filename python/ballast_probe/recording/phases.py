"""Which part of a training step runs, and what its tensors turn out to be.

The parts are seen where a step passes through PyTorch's own code: a module that is called, the
engine of autograd, the clipping of gradients, an optimizer. Nothing has to be said by the caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils import clip_grad
from torch.optim import optimizer as torch_optimizer

from ..checkpoints import HeldByCheckpoints
from ..errors import ProbeError
from ..graph import graph_behind
from ..hooks import Packed
from ..tensors import tensors_behind
from .naming import RunningModules
from .recorder import Recorder
from .stream import Phase, Role

_CLIPPING = ("_get_total_norm", "_clip_grads_with_norm_")


class Phases:
    """Tells a recorder's stream where it is."""

    def __init__(self) -> None:
        self.modules = RunningModules(self._root_entered, self._root_left)
        self._recorder: Recorder | None = None
        self._checkpoints = HeldByCheckpoints(is_whole=True)
        self._leaves: dict[int, torch.Tensor] = {}
        self._has_run_backward = False
        self._counts: list[tuple[torch.Tensor, torch.Tensor]] = []  # and what they were
        self._optimizers: dict[int, tuple[torch.optim.Optimizer, dict[Any, Any]]] = {}
        self._depth = 0
        self.has_trained = False  # whether backward or an optimizer has run

    @property
    def _on(self) -> Recorder:
        assert self._recorder is not None
        return self._recorder

    # Modules.

    def name(self, model: torch.nn.Module) -> None:
        """Names a model's modules and tells its tensors."""
        self.modules.name(model)
        self._tell_parameters()

    def _root_entered(self, module: torch.nn.Module) -> None:
        if self._depth or self._recorder is None:
            return
        stream = self._on.stream
        if next(module.parameters(), None) is None:
            return  # a loss without weights
        self._on.give_up_gradients()
        step = stream.step + 1 if self._has_run_backward else stream.step
        self._has_run_backward = False
        stream.begin(Phase.FORWARD, step=step)
        self._tell_parameters()

    def _root_left(self, module: torch.nn.Module) -> None:
        if not self._depth and self._recorder and self._on.stream.phase is Phase.FORWARD:
            self._on.stream.begin(Phase.LOSS)

    def _tell_parameters(self) -> None:
        for part, path in self.modules.parts:
            # Not by its methods: a wrapper may have others of that name, as Megatron's has.
            for role, tensors in ((Role.PARAMETER, part._parameters.values()),
                                  (Role.BUFFER, part._buffers.values())):
                for tensor in filter(torch.is_tensor, tensors):
                    if self._on.is_everything:
                        self._on.know(tensor, role)
                    for row in self._on.rows([tensor]):
                        if row.role is Role.COLLECTIVE:
                            continue  # gathered of the shards of all ranks
                        row.role = role
                        row.module = row.module or path

    # Backward.

    def _engine(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def running(roots: Any, *arguments: Any, **keywords: Any) -> Any:
            if self._recorder is None or torch._C._current_graph_task_id() != -1:
                return run(roots, *arguments, **keywords)  # a checkpoint's own
            stream = self._on.stream
            if stream.phase in (Phase.MODEL, Phase.OPTIMIZER_MADE):
                stream.begin(Phase.LOSS)
            self.has_trained = True
            self._on.give_up_gradients()
            self._tell_kept(roots)
            stream.begin(Phase.BACKWARD)
            stream.mark_boundary()
            try:
                return run(roots, *arguments, **keywords)
            finally:
                self._on.node = None
                self._tell_gradients()
                self._has_run_backward = True
                stream.begin(Phase.OTHER)

        return running

    def _tell_kept(self, roots: Any) -> None:
        recorder = self._on
        self._tell_parameters()
        roots = [root for root in roots if isinstance(root, torch.Tensor)]
        graph = graph_behind(roots)
        held: list[tuple[torch.Tensor, str]] = [*graph.by_hand]
        for packed, node in graph.packed:
            values = packed.tensors if isinstance(packed, Packed) else tensors_behind(packed)
            held += [(tensor, node) for tensor in values]
        held += graph.saved
        held += [(tensor, "") for tensor in self._checkpoints.alive()]
        for tensor, node in held:
            for row in recorder.rows([tensor]):
                if row.role not in (Role.PARAMETER, Role.BUFFER, Role.COLLECTIVE):
                    row.is_kept = True
                    row.node = row.node or node
        self._leaves.update((id(leaf), leaf) for leaf in graph.leaves)

    def _tell_gradients(self) -> None:
        leaves = [*self._leaves.values()]
        for root in (reference() for reference in self.modules.roots):
            leaves += root.parameters() if root is not None else ()
        for row in self._on.rows(leaf.grad for leaf in leaves if leaf.grad is not None):
            row.role = Role.GRADIENT
        self._leaves.clear()

    # Clipping and optimizers.

    def _inside(self, phase: Phase, function: Callable[..., Any]) -> Callable[..., Any]:
        def running(*arguments: Any, **keywords: Any) -> Any:
            if self._recorder is None or self._depth:
                return function(*arguments, **keywords)
            self._on.stream.begin(phase)
            self._depth += 1
            try:
                return function(*arguments, **keywords)
            finally:
                self._depth -= 1
                if phase is Phase.ZERO:
                    self._on.give_up_gradients()
                self._on.stream.begin(Phase.OTHER)

        return running

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.has_trained = True
        if id(optimizer) not in self._optimizers:
            self._optimizers[id(optimizer)] = optimizer, dict(optimizer.state)
            self._know_states(optimizer)
        self._on.stream.begin(Phase.OPTIMIZER)

    def _know_states(self, optimizer: torch.optim.Optimizer) -> None:
        """Tells what an optimizer brings: its parameters, and states of steps before.

        Raises:
            ProbeError: Its parameters are those of before a move to the GPU.
        """
        recorder = self._on
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in recorder.moved:
                    raise ProbeError(
                        "the optimizer was made before its model was moved to the GPU, and a move "
                        "makes new parameters here; make the optimizer after the move, or give the "
                        "model to ballast_probe.step(model)")
                if not recorder.is_on_device(parameter):
                    continue
                is_counted_there = group.get("fused") or group.get("capturable")
                for tensor in tensors_behind(optimizer.state.get(parameter, {})):
                    if isinstance(tensor, FakeTensor):
                        continue
                    if tensor.dim() > 0 or is_counted_there or recorder.is_everything:
                        recorder.know(tensor, Role.OPTIMIZER_STATE)
                    else:  # a count of steps, which the host goes on counting
                        self._counts.append((tensor, tensor.clone()))

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for state in optimizer.state.values():
            for row in self._on.rows(tensors_behind(state)):
                row.role = Role.OPTIMIZER_STATE
        self._on.stream.begin(Phase.OTHER)

    @contextlib.contextmanager
    def watching(self, recorder: Recorder) -> Iterator[None]:
        """Follows a recorder's step inside."""
        self._recorder = recorder
        engine = torch.autograd._engine_run_backward  # type: ignore[attr-defined]
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.modules.watching())
            stack.enter_context(self._checkpoints.watching())
            stack.enter_context(mock.patch.object(
                torch.autograd, "_engine_run_backward", self._engine(engine)))
            for name in _CLIPPING:
                stack.enter_context(mock.patch.object(
                    clip_grad, name, self._inside(Phase.CLIP, getattr(clip_grad, name))))
            for owner in (torch.optim.Optimizer, torch.nn.Module):
                zero = owner.zero_grad
                stack.enter_context(mock.patch.object(
                    owner, "zero_grad", self._inside(Phase.ZERO, zero)))
            for register, hook in (
                (torch_optimizer.register_optimizer_step_pre_hook, self._before_step),
                (torch_optimizer.register_optimizer_step_post_hook, self._after_step),
            ):
                stack.callback(register(hook).remove)
            try:
                yield
            finally:
                self._recorder = None
                self._restore_states()

    def _restore_states(self) -> None:
        """Takes states of shapes alone out of optimizers that had others, or none."""
        for optimizer, state in self._optimizers.values():
            optimizer.state.clear()
            optimizer.state.update(state)
        self._optimizers.clear()
        for count, before in self._counts:
            count.copy_(before)
        self._counts.clear()
