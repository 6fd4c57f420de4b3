"""The answer of a recording, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .reserved import Reserved, reserved
from .stream import Role, Tensor

if TYPE_CHECKING:
    from .recording import Recording

_LARGEST = 10
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def answer(recording: Recording, *, largest: int = _LARGEST) -> str:
    """What a step holds, when it holds the most, and what that is made of."""
    peak = recording.peak
    lines = [*_table([
        ("weights", recording.bytes_of(Role.PARAMETER, peak.event)),
        ("gradients", recording.most_bytes_of(Role.GRADIENT)),
        ("optimizer's states", recording.most_bytes_of(Role.OPTIMIZER_STATE)),
        ("retained for backward", recording.retained_bytes),
        *([("exchanged by ranks", recording.most_bytes_of(Role.COLLECTIVE))]
          if recording.ranks > 1 else []),
        ("peak allocated", peak.bytes),
    ])]
    if (tensor := recording.peak_tensor) is not None:
        span = recording.stream.span_of(peak.event)
        module = f", module {tensor.module}" if tensor.module else ""
        lines.append(f"\nThe peak is in {span.phase} of step {span.step}{module}, as "
                     f"{tensor.op or 'the step'} takes {tensor.bytes:,} bytes.")
        lines.append(f"\nThe {min(largest, len(peak.standing))} largest tensors at the peak:")
        lines += _tensors(peak.standing, largest)
    lines += _memory(recording)
    lines += [f"Assumed: {sentence}" for sentence in recording.assumptions]
    if recording.not_modelled:
        ops = ", ".join(f"{name} ({calls})" for name, calls in sorted(
            recording.not_modelled.items(), key=lambda item: -item[1]))
        lines.append(f"Temporaries not modelled, by op and calls: {ops}")
    return "\n".join(lines)


def figures(recording: Recording) -> dict[str, Any]:
    """The same as data: bytes by their names, and the largest tensors at the peak."""
    peak, found = recording.peak, reserved(recording)
    span = recording.stream.span_of(peak.event) if recording.peak_tensor is not None else None
    return {
        "parameter_bytes": recording.bytes_of(Role.PARAMETER, peak.event),
        "gradient_bytes": recording.most_bytes_of(Role.GRADIENT),
        "optimizer_bytes": recording.most_bytes_of(Role.OPTIMIZER_STATE),
        "retained_bytes": recording.retained_bytes,
        "collective_bytes": recording.most_bytes_of(Role.COLLECTIVE),
        "peak_allocated_bytes": peak.bytes,
        "peak_phase": str(span.phase) if span else None, "peak_step": span.step if span else None,
        "least_peak_reserved_bytes": found.least if isinstance(found, Reserved) else None,
        "most_peak_reserved_bytes": found.most if isinstance(found, Reserved) else None,
        "gpu": recording.gpu,
        "largest_tensors": [
            {"bytes": one.bytes, "role": str(one.role), "shape": list(one.shape),
             "dtype": one.dtype, "op": one.op, "module": one.module, "node": one.node}
            for one in sorted(peak.standing, key=lambda one: (-one.bytes, one.number))[:_LARGEST]],
        "assumptions": list(recording.assumptions),
        "not_modelled": dict(recording.not_modelled),
    }


def _memory(recording: Recording) -> list[str]:
    if recording.gpu is None:
        return []
    lines = [""]
    found = reserved(recording)
    if isinstance(found, Reserved):
        lines.append(f"{'peak reserved':<24}{found.text()}")
    else:
        lines.append(found)
    room = recording.gpu["memory_bytes"] - recording.gpu["context_bytes"]
    peak = recording.peak.bytes
    title, name = recording.gpu["title"], recording.gpu["name"]
    if peak > room:
        lines.append(f"{title} ({name}) has {readable(room)} for PyTorch: this step runs out of "
                     f"memory, {readable(peak - room)} short of its allocations alone.")
    else:
        lines.append(f"{title} ({name}) has {readable(room)} for PyTorch, and "
                     f"{readable(room - peak)} are left at the peak.")
    return lines


def _tensors(tensors: Sequence[Tensor], count: int) -> Iterable[str]:
    for tensor in sorted(tensors, key=lambda one: (-one.bytes, one.number))[:count]:
        shape = "x".join(map(str, tensor.shape)) or "-"
        where = tensor.module or tensor.node or "-"
        op = tensor.op.removeprefix("aten::") or "-"
        yield (f"  {tensor.bytes:>16,}  {tensor.role:<15} {shape:<22} {tensor.dtype or '-':<9} "
               f"{op}  {where}").rstrip()


def _table(rows: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{name:<24}{size:>18,} bytes  {readable(size):>10}" for name, size in rows]


def readable(size: int) -> str:
    """A size in the unit that suits it."""
    value, unit = float(size), 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size:,} {_UNITS[0]}" if unit == 0 else f"{value:.2f} {_UNITS[unit]}"
