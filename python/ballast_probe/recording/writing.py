"""The file of a recording, `recording.json.gz`: a stream with its tables, in format version 1.

What repeats is a table, and an index into it elsewhere. Every number is an integer.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import zlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from ..errors import ProbeError
from ..modules import layer_of
from ..regions import Layout, RegionBytes, divide, rows_by_size
from ..words import first_line, printable
from .stream import Block, Role, Stream, Tensor

FORMAT, VERSION = "ballast-recording", 1
NAME = "recording.json.gz"

# What `ballast` reads at the most (`Sources/Recordings/Recording+Reading.swift`).
MOST_BYTES, MOST_TENSORS, MOST_EXTENTS = 1 << 41, 1 << 21, 64

Value = TypeVar("Value", bound=Hashable)


_WITHOUT_TOKENS = (Role.PARAMETER, Role.BUFFER, Role.GRADIENT, Role.OPTIMIZER_STATE,
                   Role.WORKSPACE)


class Table(Generic[Value]):
    """Distinct values, by the order in which they came."""

    def __init__(self, *first: Value) -> None:
        self._places: dict[Value, int] = {}
        for value in first:
            self.place(value)

    def place(self, value: Value) -> int:
        """The index of a value, which is put in if it is new."""
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[Value]:
        """All of them."""
        return list(self._places)


def regions_of(tensor: Tensor, layout: Layout | None) -> RegionBytes:
    """The bytes of a tensor by the tokens that they belong to, found from its extents."""
    if layout is None or tensor.role in _WITHOUT_TOKENS:
        return RegionBytes(shared=tensor.bytes)
    axes = [rows_by_size(extent, layout) for extent in tensor.shape]
    over_tokens = [place for place, axis in enumerate(axes) if axis is not None]
    # Rows against columns are the last two axes. A width as long as a sequence is no second one.
    rank = len(axes)
    is_square = over_tokens[-2:] == [rank - 2, rank - 1] and (
        rank > 3 or rank == 3 and tensor.shape[0] != layout.batch)
    first = over_tokens[-2:] if is_square else over_tokens[:1]
    return divide(tensor.bytes, [axes[place] for place in first])


def columns(stream: Stream, layout: Layout | None, places: Sequence[tuple[str, str, str]] = (),
            known: Mapping[int, RegionBytes] = MappingProxyType({})
            ) -> tuple[dict[str, Any], dict[str, Any], dict[str, list[int]]]:
    """The tables and the tensors of a settled stream, as they stand in the file.

    Args:
        stream: The stream.
        layout: Whose tokens are whose.
        places: Further ops, modules and nodes.
        known: The bytes by region of tensors of which more is known than their extents.

    Returns:
        The tables, the tensors, and the further places, by column.
    """
    ops: Table[str] = Table()
    modules, nodes, dtypes = Table(""), Table(""), Table("")
    shapes: Table[tuple[int, ...]] = Table(())
    regions: Table[tuple[int, ...]] = Table()
    roles = list(Role)
    rows: dict[str, list[int]] = {name: [] for name in (
        "bytes", "op", "module", "layer", "role", "node", "dtype", "shape", "regions", "kept")}
    shares: dict[Hashable, RegionBytes] = {}
    layers = {module: layer_of(module) for module in {one.module for one in stream.tensors}}
    for tensor in stream.tensors:
        layer = layers[tensor.module]
        key = tensor.bytes, tensor.shape, tensor.role
        if (share := known.get(tensor.number)) is not None:
            pass
        elif (share := shares.get(key)) is None:
            share = shares[key] = regions_of(tensor, layout)
        cells = (tensor.bytes, ops.place(tensor.op), modules.place(tensor.module),
                 -1 if layer is None else layer, roles.index(tensor.role),
                 nodes.place(tensor.node), dtypes.place(tensor.dtype), shapes.place(tensor.shape),
                 regions.place((share.prefix, share.generated, share.crossing, share.shared, 0)),
                 int(tensor.is_kept))
        for column, cell in zip(rows.values(), cells):
            column.append(cell)
    if any(tensor.queue for tensor in stream.tensors):
        rows["stream"] = [tensor.queue for tensor in stream.tensors]
    further: dict[str, list[int]] = {"op": [], "module": [], "layer": [], "node": []}
    for op, module, node in places:
        layer = layer_of(module)
        for column, cell in zip(further.values(), (
                ops.place(op), modules.place(module), -1 if layer is None else layer,
                nodes.place(node))):
            column.append(cell)
    tables = {"ops": ops.values, "modules": modules.values, "nodes": nodes.values,
              "roles": [str(role) for role in roles], "dtypes": dtypes.values,
              "shapes": shapes.values, "regions": regions.values}
    return tables, rows, further


def refuse_unreadable(stream: Stream) -> None:
    """Refuses a stream that no program could read again.

    Raises:
        ProbeError: A tensor of it is larger than any memory, or there are too many.
    """
    if len(stream.tensors) > MOST_TENSORS:
        raise ProbeError(f"the step allocates {len(stream.tensors):,} tensors, and a recording "
                         f"holds {MOST_TENSORS:,} at the most; record fewer steps")
    for tensor in stream.tensors:
        if tensor.bytes <= MOST_BYTES and len(tensor.shape) <= MOST_EXTENTS:
            continue
        what = " ".join(word for word in (
            f"{tensor.role} tensor", tensor.op and f"of {tensor.op}",
            tensor.module and f"in {tensor.module}") if word)
        shape = "x".join(map(str, tensor.shape))
        if tensor.bytes > MOST_BYTES:
            raise ProbeError(
                f"the {what}, {tensor.dtype or 'bytes'} {shape or 'of no known shape'}, takes "
                f"{tensor.bytes:,} bytes, and a recording's tensors have {MOST_BYTES:,} at the "
                "most; give the step fewer tokens or a smaller model")
        raise ProbeError(f"the {what} has {len(tensor.shape)} extents, and a recording's tensors "
                         f"have {MOST_EXTENTS} at the most")


class Lawful(Protocol):
    """What a stream is at other lengths (`ballast_probe.laws`)."""

    def blocks(self) -> list[tuple[Block, int]]:
        """The blocks whose kernels depend on lengths, with the places of their laws."""
        ...

    def regions(self) -> Mapping[int, RegionBytes]:
        """The bytes by region of tensors that have laws, by the tensors' numbers."""
        ...

    def document(self, blocks: Mapping[str, list[int]]) -> dict[str, Any]:
        """The laws, as they stand in the file."""
        ...


def document(stream: Stream, layout: Layout | None, head: Mapping[str, Any],
             laws: Lawful | None = None) -> dict[str, Any]:
    """The whole file as values; `head` is what is not of the stream.

    Raises:
        ProbeError: No program could read it again.
    """
    refuse_unreadable(stream)
    blocks = laws.blocks() if laws else []
    tables, rows, places = columns(stream, layout, [block.place for block, _ in blocks],
                                   laws.regions() if laws else {})
    ending = {} if laws is None else {"laws": laws.document({
        "first": [block.first_event for block, _ in blocks],
        "count": [block.count for block, _ in blocks], "launch": [place for _, place in blocks],
        **places})}
    return {
        "format": FORMAT, "version": VERSION, **head, "tables": tables, "tensors": rows,
        "events": stream.events,
        "phases": [{"name": str(span.phase), "step": span.step, "first_event": span.first_event}
                   for span in stream.spans],
        "boundaries": stream.boundaries, **ending,
    }


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a recording beside its place, and then there; makes the folder if it is missing.

    Raises:
        ProbeError: It cannot be written.
    """
    refuse_place(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        text = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ProbeError(f"{_shown(path)} cannot be written: a value of the recording's is none of "
                         f"JSON's: {first_line(error)}") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with open(part, "xb") as file:
            file.write(gzip.compress(text, 6, mtime=0))
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ProbeError(f"{_shown(path)} cannot be written: "
                         f"{error.strerror or error}") from error


def refuse_place(path: Path) -> None:
    """Refuses a path at which no file can be made, and makes nothing.

    Raises:
        ProbeError: It has no name, a folder is there, or what is above it is no folder that can be
            written to.
    """
    try:
        why = _obstacle(path)
    except OSError as error:
        why = error.strerror or str(error)
    if why is not None:
        raise ProbeError(f"{_shown(path)} cannot be written: {why}")


def _obstacle(path: Path) -> str | None:
    if "\0" in str(path):
        return "its name has a character that no file's has"
    if not path.name or path.is_dir():
        return "it is a folder"
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()  # says what else is wrong with it, such as a name that is too long
    above = next((one for one in path.parents if os.path.lexists(one)), path)
    if not above.is_dir():
        return f"{_shown(above)} is no folder"
    if not os.access(above, os.W_OK | os.X_OK):
        return f"{_shown(above)} is no folder that can be written to"
    return None


def _shown(path: Path) -> str:
    return printable(str(path))


def read(path: Path) -> dict[str, Any]:
    """A recording as values.

    Raises:
        ProbeError: It is no recording, or one of another version.
    """
    try:
        values = json.loads(gzip.decompress(path.read_bytes()))
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise ProbeError(f"{path} is no recording, or a part of one: {error}") from error
    except OSError as error:
        raise ProbeError(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ProbeError(f"{path} is no recording of ballast-probe's")
    if values.get("version") != VERSION:
        raise ProbeError(f"{path} is a recording of version {values.get('version')}, and this "
                         f"program reads version {VERSION}")
    return values


def words_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Options as text, without those that were not given."""
    return {name: _text(value) for name, value in options.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)
