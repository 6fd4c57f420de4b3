"""Records what a forward pass keeps for its backward pass."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from .checkpoints import HeldByCheckpoints
from .errors import ProbeError
from .graph import graph_behind
from .hooks import Listener, Packed, chain
from .modules import ModuleStack, layer_of
from .regions import Layout, RegionBytes, divide, rows_by_law, rows_by_size
from .storages import Kept, Storages
from .tensors import address, addresses, parts_of, storage_bytes


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
        device: Where it lies, such as `cuda`.
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
    device: str = field(default="cpu", repr=False)

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


class Probe(Totals):
    """What a forward pass has saved: filled as it runs, final after `boundary`."""

    def __init__(self, model: torch.nn.Module | None, layout: Layout | None) -> None:
        self._model = model
        self._layout = layout
        self._stack = ModuleStack(model)
        self._listener = Listener(lambda: self._stack.path)
        self._checkpoints = HeldByCheckpoints()
        self._saved: list[Saved] | None = None
        self._held: int | None = None
        self._notes: list[str] = []

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
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was not seen or lies elsewhere; warnings say them too."""
        return tuple(self._notes)

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

        Raises:
            ProbeError: Backward has run already, or could not run.
        """
        if self._saved is None:
            self._close()
            if loss is not None and not isinstance(loss, torch.Tensor):
                raise ProbeError(f"boundary takes the loss, a tensor, and was given a value of "
                                 f"type {type(loss).__name__}")
            if loss is not None and not loss.requires_grad:
                raise ProbeError("the loss that boundary was given has no graph (it was detached, "
                                 "or made under no_grad), so nothing is kept for its backward")
            self._finish(loss)
        assert self._saved is not None
        return self._saved

    def _close(self) -> None:
        self._listener.is_open = False
        self._stack.remove()

    def _finish(self, loss: torch.Tensor | None) -> None:
        alive = self._listener.alive()
        graph = graph_behind([loss] if loss is not None else self._stack.outputs())
        is_gone = graph.is_freed or (loss is None and self._listener.is_used)
        if is_gone and (loss is not None or not alive):
            raise ProbeError("backward ran before the boundary and has freed what was kept for it: "
                             "call boundary(loss) between the loss and its backward")
        nodes = {id(link): node for packed, node in graph.packed for link in chain(packed)}
        # The parameters live as long as the model.
        parameters = {one for parameter in (self._model.parameters() if self._model else ())
                      for one in addresses(parameter)}
        found = Storages(parameters)
        for packed in alive:
            found.add(packed.tensors, packed.path, nodes.get(id(packed), ""), packed.device)
        self._see_through(alive, found)
        for tensor, node in graph.by_hand:
            found.add([tensor], "", node, tensor.device.type, is_new=True)
        self._saved = [self._describe(order, group)
                       for order, group in enumerate(found.groups.values())]
        self._note_unheard(graph.unheard, found)
        self._notes += [
            f"{name} of {count} function{'s' if count > 1 else ''}, put on the context by hand, "
            "cannot be looked into; tensors in there are not counted"
            for name, count in graph.hidden.items()]
        self._notes += found.notes()
        if self._checkpoints.is_known:
            known = parameters | found.groups.keys()
            if self._model is not None:
                known |= {one for buffer in self._model.buffers() for one in addresses(buffer)}
            held = {address(part): storage_bytes(part)
                    for tensor in self._checkpoints.alive() for part in parts_of(tensor)}
            self._held = sum(size for where, size in held.items() if where not in known)

    def _see_through(self, alive: Sequence[Packed], found: Storages) -> None:
        """Adds what hooks of the step's own keep themselves, and notes what they keep elsewhere."""
        opaque: dict[int, list[Packed]] = {}
        for packed in alive:
            if packed.pair is not None and not packed.tensors:
                opaque.setdefault(id(packed.pair), []).append(packed)
        for group in opaque.values():
            assert (pair := group[0].pair) is not None
            tensors = pair.collected()
            found.add(tensors, "", "", group[0].device)
            if len(tensors) < len(group):
                passed = sum(packed.passed_bytes for packed in group)
                self._notes.append(
                    f"hooks of the step's own ({pair.name}) put {len(group)} saved tensors of "
                    f"{passed:,} bytes where the probe finds {len(tensors) or 'none'} of them; the "
                    "rest is not counted")

    def _note_unheard(self, tensors: Iterable[torch.Tensor], found: Storages) -> None:
        missed = {address(part): storage_bytes(part) for tensor in tensors
                  for part in parts_of(tensor)}
        missed = {where: size for where, size in missed.items()
                  if where not in found.groups and where not in found.parameters}
        if missed:
            self._notes.append(
                f"{len(missed)} storages of {sum(missed.values()):,} bytes that the loss's graph "
                "keeps were not saved inside the block (before it, or in another thread) and are "
                "not counted")

    def _describe(self, order: int, group: Sequence[Kept]) -> Saved:
        first, total = group[0], storage_bytes(group[0].tensor)
        views = [View(tuple(kept.tensor.shape), tuple(kept.tensor.stride()),
                      kept.tensor.element_size()) for kept in group]
        view = next((view for view in views if view.bytes == total), views[0])
        later = dict.fromkeys(
            f"{kept.path or 'model'}:{kept.node or 'saved'}" for kept in group[1:])
        axes = [rows_by_size(extent, self._layout) if self._layout else None
                for extent in view.extents]
        return Saved(
            order=order, layer=layer_of(first.path), path=first.path, node=first.node,
            shape=views[0].shape, dtype=str(first.tensor.dtype).removeprefix("torch."),
            storage_bytes=total, regions=divide(total, axes), also_saved_by=tuple(later),
            element_size=views[0].element_size, view=view, device=first.tensor.device.type)


@contextlib.contextmanager
def record(model: torch.nn.Module | None = None, layout: Layout | None = None) -> Iterator[Probe]:
    """Records what is saved for backward inside the block.

    Args:
        model: Its parameters are not counted, and its modules give names to what is saved.
        layout: Which rows are the prefix's; without it every byte is `shared`.

    Yields:
        The probe, which is final after `probe.boundary(loss)` or at the end of the block.

    Raises:
        ProbeError: At the end of the block, if backward has run and no boundary was before it.
    """
    probe = Probe(model, layout)
    try:
        with probe._checkpoints.watching(), probe._listener.listening():
            yield probe
        if probe._listener.is_open:
            probe.boundary()
    finally:
        probe._close()
    for note in probe.notes:
        warnings.warn(f"ballast_probe: {note}", stacklevel=3)


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
