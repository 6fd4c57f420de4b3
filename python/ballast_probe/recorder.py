"""Records what a forward pass keeps for its backward pass."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from .checkpoints import HeldByCheckpoints
from .errors import ProbeError
from .graph import saved_by_nodes
from .modules import ModuleStack, layer_of
from .regions import Layout, RegionBytes, divide, rows_by_law, rows_by_size


@dataclass(frozen=True)
class View:
    """How a tensor lies in its storage, as it was packed."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    element_size: int

    @property
    def extents(self) -> tuple[int, ...]:
        """The extents; 1 along an axis that repeats the same memory."""
        return tuple(1 if stride == 0 else extent
                     for extent, stride in zip(self.shape, self.strides))

    @property
    def bytes(self) -> int:
        """The bytes that the view reaches."""
        count = self.element_size
        for extent in self.extents:
            count *= extent
        return count


@dataclass(frozen=True)
class Saved:
    """A storage that backward needs.

    Attributes:
        order: Its place in the order of first saving, from 0.
        layer: The decoder layer that saved it first; None outside of layers.
        path: The module that was running, such as `model.layers.0.self_attn.q_proj`; empty for the
            model itself.
        node: The autograd node and the name under which it holds the tensor, `MmBackward0.self`;
            empty if it was not found.
        shape: The shape of the tensor that was saved first.
        dtype: Its type, such as `float32`.
        storage_bytes: The bytes of the whole storage, which a view of a part keeps as well.
        regions: The bytes by the tokens that they belong to; their sum is `storage_bytes`.
        also_saved_by: Who saved it after the first, as `path:node`, each once.
        element_size: Bytes of an element.
        view: The view that covers the storage, or else the one that was saved first.
    """

    order: int
    layer: int | None
    path: str
    node: str
    shape: tuple[int, ...]
    dtype: str
    storage_bytes: int
    regions: RegionBytes
    also_saved_by: tuple[str, ...]
    element_size: int = field(repr=False)
    view: View = field(repr=False)

    @property
    def key(self) -> tuple[tuple[int, ...], str, int]:
        """What two runs of the same model must have in common: shape, dtype, bytes."""
        return self.shape, self.dtype, self.storage_bytes


class _HasSaved(Protocol):
    @property
    def saved(self) -> list[Saved]: ...


class Totals:
    """The sums over `saved` of whatever has that."""

    @property
    def retained_bytes(self: _HasSaved) -> int:
        """The sum over `saved`."""
        return sum(saved.storage_bytes for saved in self.saved)

    @property
    def regions(self: _HasSaved) -> RegionBytes:
        """The sum over `saved`, by region."""
        return sum((saved.regions for saved in self.saved), RegionBytes())


class _Packed:
    """What the graph holds in a saved tensor's place; it lives as long as the graph needs it.

    It keeps the tensor, so no two that live can have the same storage by a re-used address. It
    keeps it detached: an op's own result knows the op's node, which would hold itself for ever.
    """

    __slots__ = ("tensor", "path", "__weakref__")

    def __init__(self, tensor: torch.Tensor, path: str) -> None:
        self.tensor = tensor.detach()
        self.path = path


def _address(tensor: torch.Tensor) -> int:
    """What identifies the storage while it lives."""
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().nbytes())


class Probe(Totals):
    """What a forward pass has saved: filled as it runs, final after `boundary`."""

    def __init__(self, model: torch.nn.Module | None, layout: Layout | None) -> None:
        self._model = model
        self._layout = layout
        self._packed: list[weakref.ref[_Packed]] = []
        self._stack = ModuleStack(model)
        self._checkpoints = HeldByCheckpoints()
        self._saved: list[Saved] | None = None
        self._held: int | None = None
        self._is_open = True

    # What torch calls.

    def _pack(self, tensor: torch.Tensor) -> object:
        if not self._is_open:
            return tensor
        packed = _Packed(tensor, self._stack.path)
        self._packed.append(weakref.ref(packed))
        return packed

    @staticmethod
    def _unpack(packed: object) -> torch.Tensor:
        if isinstance(packed, _Packed):
            return packed.tensor
        assert isinstance(packed, torch.Tensor)
        return packed

    # What is asked of it.

    @property
    def is_final(self) -> bool:
        """Whether the boundary was reached."""
        return self._saved is not None

    @property
    def saved(self) -> list[Saved]:
        """The distinct storages that backward needs, parameters aside, in the order of saving.

        Raises:
            ProbeError: Before the boundary.
        """
        if self._saved is None:
            raise ProbeError(
                "the boundary was not reached yet: call boundary(loss), or leave the block")
        return self._saved

    @property
    def held_by_checkpoint_bytes(self) -> int | None:
        """What checkpointed functions hold beside what hooks see; None if that cannot be known."""
        return self._held

    def boundary(self, loss: torch.Tensor | None = None) -> list[Saved]:
        """Ends the recording, between the loss and its backward; a second call changes nothing.

        Args:
            loss: The tensor whose backward will run. Its graph gives the names of autograd nodes;
                without it the graph behind what the model returned does.

        Returns:
            What `saved` gives.
        """
        if self._saved is None:
            self._is_open = False
            self._stack.remove()
            self._finish([loss] if loss is not None else self._stack.outputs())
        assert self._saved is not None
        return self._saved

    def _finish(self, roots: Iterable[torch.Tensor]) -> None:
        alive = [packed for packed in (reference() for reference in self._packed)
                 if packed is not None]
        nodes = {id(packed): node for packed, node in saved_by_nodes(roots)}
        # The parameters live as long as the model.
        parameters = {_address(parameter) for parameter in
                      (self._model.parameters() if self._model is not None else ())}
        groups: dict[int, list[_Packed]] = {}
        for packed in alive:
            if (address := _address(packed.tensor)) not in parameters:
                groups.setdefault(address, []).append(packed)
        self._saved = [self._describe(order, group, nodes)
                       for order, group in enumerate(groups.values())]
        if self._checkpoints.is_known:
            known = parameters | groups.keys()
            if self._model is not None:
                known |= {_address(buffer) for buffer in self._model.buffers()}
            held = {_address(tensor): _bytes(tensor) for tensor in self._checkpoints.alive()}
            self._held = sum(size for address, size in held.items() if address not in known)

    def _describe(self, order: int, group: Sequence[_Packed], nodes: dict[int, str]) -> Saved:
        first, total = group[0], _bytes(group[0].tensor)
        views = [View(tuple(packed.tensor.shape), tuple(packed.tensor.stride()),
                      packed.tensor.element_size()) for packed in group]
        view = next((view for view in views if view.bytes == total), views[0])
        names = [(packed.path, nodes.get(id(packed), "")) for packed in group]
        later = dict.fromkeys(f"{path or 'model'}:{node or 'saved'}" for path, node in names[1:])
        axes = [rows_by_size(extent, self._layout) if self._layout else None
                for extent in view.extents]
        return Saved(
            order=order, layer=layer_of(first.path), path=first.path, node=names[0][1],
            shape=views[0].shape, dtype=str(first.tensor.dtype).removeprefix("torch."),
            storage_bytes=total, regions=divide(total, axes), also_saved_by=tuple(later),
            element_size=views[0].element_size, view=view)


@contextlib.contextmanager
def record(model: torch.nn.Module | None = None, layout: Layout | None = None) -> Iterator[Probe]:
    """Records what is saved for backward inside the block.

    Args:
        model: Its parameters are not counted, and its modules give names to what is saved.
        layout: Which rows are the prefix's; without it every byte is `shared`.

    Yields:
        The probe, which is final after `probe.boundary(loss)` or at the end of the block.
    """
    probe = Probe(model, layout)
    try:
        with probe._checkpoints.watching(), \
                torch.autograd.graph.saved_tensors_hooks(probe._pack, probe._unpack):
            yield probe
        probe.boundary()
    finally:
        probe._is_open = False
        probe._stack.remove()


def settle(
    runs: Sequence[Sequence[Saved]], steps: tuple[int, int], layout: Layout
) -> list[Saved] | None:
    """Finds the regions of what was saved from runs at other lengths.

    Args:
        runs: What was saved at (n_c, n_g), (n_c + a, n_g), (n_c, n_g + b) and (n_c + a, n_g + b).
        steps: a and b.
        layout: The lengths of the first run.

    Returns:
        The first run's storages with their regions; None if the runs did not save the same ones.
    """
    if not all(is_alike(runs[0], run) for run in runs):
        return None
    return [replace(same[0], regions=_regions(same, steps, layout)) for same in zip(*runs)]


def is_alike(one: Sequence[Saved], other: Sequence[Saved]) -> bool:
    """Whether two runs saved the same tensors, whatever their extents."""
    return _structure(one) == _structure(other)


def _structure(run: Sequence[Saved]) -> list[tuple[str, str, str, int]]:
    return [(saved.path, saved.node, saved.dtype, len(saved.view.shape)) for saved in run]


def _regions(same: Sequence[Saved], steps: tuple[int, int], layout: Layout) -> RegionBytes:
    first = same[0]
    axes = [rows_by_law(extents, steps, layout)
            for extents in zip(*(saved.view.extents for saved in same))]
    if any(saved.view.bytes != saved.storage_bytes for saved in same):
        # A part of something larger, all of which is kept: by what the whole grows with.
        whole = rows_by_law([saved.storage_bytes for saved in same], steps, layout)
        axes = axes if whole is None else [whole]
    return divide(first.storage_bytes, axes)
