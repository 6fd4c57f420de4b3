"""What the command prints: points, and where their bytes are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .files import Row
from .modules import op_of
from .points import ProbeResult

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """Bytes as people read them: `3.2 GiB`."""
    value, unit = float(count), "B"
    for larger in _UNITS:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Columns side by side, the first `left` of them flush left."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(
        cell.ljust(width) if index < left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def points(rows: Iterable[Row]) -> str:
    """A line a point."""
    lines = [["mode", "recipe", "recompute", "dtype", "device", "batch", "n_c", "n_g", "tensors",
              "retained", "prefix", "generated", "crossing", "shared"]]
    for row in rows:
        options = row.result.options if row.result else row.options
        line = [options.mode, options.recipe, options.recompute, options.dtype or "",
                options.device, str(options.batch), str(options.n_c), str(options.n_g)]
        if row.result:
            regions = row.result.regions
            line += [str(len(row.result.saved)), *map(size, (
                regions.total, regions.prefix, regions.generated, regions.crossing,
                regions.shared))]
        else:
            line += [row.status, "", "", "", "", ""]
        lines.append(line)
    return aligned(lines, left=5)


class Kept(NamedTuple):
    """Tensors of one op, one purpose and one type, over all layers."""

    op: str
    saved_as: str
    dtype: str
    number: int
    bytes: int
    prefix_bytes: int


def kept(result: ProbeResult) -> list[Kept]:
    """What one point keeps, summed over layers, the largest first."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for saved in result.saved:
        key = (op_of(saved.path), saved.node or "saved", saved.dtype)
        group = groups.setdefault(key, [0, 0, 0])
        group[0] += 1
        group[1] += saved.storage_bytes
        group[2] += saved.regions.prefix + saved.regions.crossing
    return [Kept(*key, *group) for key, group in
            sorted(groups.items(), key=lambda item: -item[1][1])]


def tensors(result: ProbeResult) -> str:
    """The same as a table."""
    tokens = result.options.n_c * result.options.batch
    lines = [["op", "saved as", "dtype", "count", "bytes", "of the prefix", "a prefix token"]]
    for op, node, dtype, count, total, prefix in kept(result):
        lines.append([op, node, dtype, str(count), size(total), size(prefix),
                      f"{prefix / tokens:,.1f}" if tokens else ""])
    return aligned(lines, left=3)
