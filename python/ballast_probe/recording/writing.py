"""The file of a recording, `recording.json.gz`: a stream with its tables, in format version 1.

What repeats is a table, and an index into it elsewhere. Every number is an integer.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import ProbeError
from ..modules import layer_of
from ..regions import Layout, RegionBytes, divide, rows_by_size
from .stream import Role, Stream, Tensor

FORMAT, VERSION = "ballast-recording", 1
NAME = "recording.json.gz"

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


def columns(stream: Stream, layout: Layout | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables and the tensors of a settled stream, as they stand in the file."""
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
        if (share := shares.get(key)) is None:
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
    tables = {"ops": ops.values, "modules": modules.values, "nodes": nodes.values,
              "roles": [str(role) for role in roles], "dtypes": dtypes.values,
              "shapes": shapes.values, "regions": regions.values}
    return tables, rows


def document(stream: Stream, layout: Layout | None, head: Mapping[str, Any]) -> dict[str, Any]:
    """The whole file as values; `head` is what is not of the stream."""
    tables, rows = columns(stream, layout)
    return {
        "format": FORMAT, "version": VERSION, **head, "tables": tables, "tensors": rows,
        "events": stream.events,
        "phases": [{"name": str(span.phase), "step": span.step, "first_event": span.first_event}
                   for span in stream.spans],
        "boundaries": stream.boundaries,
    }


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a recording beside its place, and then there.

    Raises:
        ProbeError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    try:
        part.unlink(missing_ok=True)
        with open(part, "xb") as file:
            file.write(gzip.compress(text, 6, mtime=0))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ProbeError(f"{path} cannot be written: {error.strerror}") from error


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
