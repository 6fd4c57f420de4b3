"""Result files as Ballast writes them: `points.csv`, `ledger.csv` and `sweep.json`."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import versions
from .errors import ProbeError, UsageError
from .modules import op_of
from .options import HEADS, PointOptions
from .points import ProbeResult
from .words import printable

POINT_COLUMNS = """
schema profile model layers d_model heads kv_heads d_head d_ff vocab dtype attention head recompute
loss_rows mode keep_prefix chunk backend threads batch n_c n_g seed repeat status error loss
saved_tensors retained_bytes retained_prefix_bytes retained_generated_bytes retained_crossing_bytes
retained_shared_bytes retained_allocated_bytes predicted_retained_bytes predicted_allocated_bytes
peak_bytes peak_forward_bytes peak_backward_bytes predicted_peak_bytes workspace_peak_bytes
parameter_bytes gradient_bytes process_peak_rss_bytes matmul_flops forward_seconds backward_seconds
gradient_relative_error gradient_cosine version started_at trainable dropout recipe kv_gradients
gradient_reference predicted_workspace_bytes optimizer optimizer_bytes adapter lora suffixes
sharing suffixes_at_a_time lengths layout retained_padding_bytes
peak_allocated_bytes peak_allocated_forward_bytes peak_allocated_backward_bytes
peak_allocated_optimizer_bytes peak_reserved_bytes
device held_by_checkpoint_bytes cuda_before_bytes cuda_allocated_bytes cuda_peak_bytes torch
transformers
""".split()
"""Ballast's columns in its order, and behind them the probe's own, from `device` on."""

_KEY = "mode keep_prefix chunk recompute attention head loss_rows dtype batch n_c n_g".split()

LEDGER_COLUMNS = ["profile", *_KEY, *"""
repeat order layer op tensor shape dtype requested_bytes allocated_bytes prefix_bytes
generated_bytes crossing_bytes shared_bytes needed_for also_saved_by padding_bytes
""".split()]
"""Ballast's columns; `dtype` is there twice, the point's own and the tensor's."""

NAMES = ("points.csv", "ledger.csv", "sweep.json")
# What a sweep of Ballast's leaves beside those, and what stands near its start.
_SWEEPS = {"laws.csv": "constant_bytes", "gradients.csv": "relative_error",
           "journal.jsonl": '{"digest":"'}
# What is made of results and put beside them.
_BESIDE = {"flow.csv": "layer,parameter,weight,prefix_norm",
           "report.html": "<title>Ballast report</title>", "retained.png": "Ballast scripts/plot",
           "retained.svg": "Ballast scripts/plot",
           "retained-narrow.png": "Ballast scripts/plot"}
PROFILE = "ballast-probe"

_ATTENTION = {"eager": "materialized", "sdpa": "fused"}  # Ballast's words


@dataclass(frozen=True)
class Row:
    """A point that ended: its result, or why there is none.

    Attributes:
        model: The name that results carry.
        options: The point, as it was asked for.
        result: None where it failed.
        started_at: ISO 8601, UTC.
        error: One sentence where it failed.
        status: `ok`, `failed` or `out-of-memory`.
    """

    model: str
    options: PointOptions
    result: ProbeResult | None
    started_at: str
    error: str | None = None
    status: str = "ok"


def _axes(row: Row) -> dict[str, Any]:
    """What says which point it is.

    Axes of Ballast that a point of PyTorch does not have are as a point of Ballast has them where
    nothing was said about them, so that `ballast compare` takes the two for one point.
    """
    options = row.result.options if row.result else row.options
    return {
        "model": row.model, "dtype": options.dtype, "attention": _ATTENTION[options.attention],
        "head": HEADS[options.logits], "recompute": options.recompute, "loss_rows": "next-token",
        "mode": options.mode, "keep_prefix": options.keep_prefix, "chunk": 256,
        "backend": "pytorch",
        "threads": torch.get_num_threads() if options.device in ("cpu", "cuda") else 1,
        "batch": options.batch, "n_c": options.n_c, "n_g": options.n_g, "seed": options.seed,
        "trainable": options.trainable, "lora": options.lora,
        "dropout": None if options.dropout is None else float(options.dropout),
        "recipe": options.recipe, "kv_gradients": "float32", "optimizer": "none",
        "suffixes": 1, "sharing": "none", "suffixes_at_a_time": 0, "layout": "packed",
        "profile": PROFILE, "repeat": 1,
    }


def _point(row: Row) -> dict[str, Any]:
    cells = _axes(row) | {
        "schema": 1, "status": row.status, "error": row.error, "optimizer_bytes": 0,
        "version": f"ballast-probe {versions.own()}", "started_at": row.started_at,
        **versions.installed(),
    }
    if (result := row.result) is None:
        return cells | {"device": row.options.device}
    regions = result.regions
    return cells | result.sizes | {
        "loss": result.loss, "saved_tensors": len(result.saved),
        "retained_bytes": result.retained_bytes, "retained_prefix_bytes": regions.prefix,
        "retained_generated_bytes": regions.generated, "retained_crossing_bytes": regions.crossing,
        "retained_padding_bytes": 0, "retained_shared_bytes": regions.shared,
        "parameter_bytes": result.parameter_bytes,
        "gradient_bytes": result.gradient_bytes, "device": result.options.device,
        "held_by_checkpoint_bytes": result.held_by_checkpoint_bytes,
        "cuda_before_bytes": result.cuda_before_bytes, "cuda_allocated_bytes": result.cuda_bytes,
        "cuda_peak_bytes": result.cuda_peak_bytes,
    }


def _ledger(row: Row) -> Iterable[list[Any]]:
    if row.result is None:
        return
    axes = _axes(row)
    for saved in row.result.saved:
        yield [
            PROFILE, *(axes[name] for name in _KEY), axes["repeat"], saved.order, saved.layer,
            op_of(saved.path), saved.node or "saved", "x".join(map(str, saved.shape)), saved.dtype,
            saved.storage_bytes, None, saved.regions.prefix, saved.regions.generated,
            saved.regions.crossing, saved.regions.shared, None, " ".join(saved.also_saved_by),
            0,
        ]


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Any) -> Any:
    """A cell as it is written: no control characters, and no text that a spreadsheet would run."""
    if not isinstance(cell, str):
        return "" if cell is None else cell
    cell = printable(cell)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def points_csv(rows: Iterable[Row]) -> str:
    """The text of `points.csv`: a row a point."""
    cells = map(_point, rows)
    return _csv(POINT_COLUMNS, ([row.get(name) for name in POINT_COLUMNS] for row in cells))


def point_cells(row: Row) -> dict[str, Any]:
    """A row of `points.csv` by its columns, None where a cell is empty."""
    cells = _point(row)
    return {name: cells.get(name) for name in POINT_COLUMNS}


def ledger_csv(rows: Iterable[Row]) -> str:
    """The text of `ledger.csv`: a row a saved storage."""
    return _csv(LEDGER_COLUMNS, (line for row in rows for line in _ledger(row)))


def sweep_json(rows: Sequence[Row], configuration: Mapping[str, Any]) -> str:
    """The text of `sweep.json`: what the rows are rows of, and what they were made with."""
    asked = {"configuration": dict(configuration), "points": [_axes(row) for row in rows]}
    text = json.dumps(asked, sort_keys=True, default=str)
    notes = list(dict.fromkeys(note for row in rows if row.result for note in row.result.notes))
    return json.dumps({
        "schema": 2, "version": f"ballast-probe {versions.own()}", "profile": PROFILE,
        "points": len(rows), "points_digest": hashlib.sha256(text.encode()).hexdigest(),
        "source": {"text": text, "file": PROFILE, "threads": 1}, "complete": True,
        "probe": {**versions.installed(), "notes": notes},
    }, indent=2, sort_keys=True) + "\n"


def claim(folder: Path, *, overwrite: bool, read: Mapping[str, Path] | None = None) -> None:
    """Makes sure that results can be written into a folder, before anything is run.

    Args:
        folder: The folder, which is made if it is missing.
        overwrite: Whether older results there are replaced.
        read: The files that the results are made from, by what a sentence calls them.

    Raises:
        UsageError: One of those, by whatever name or link, is one that is written or removed; then
            nothing is touched.
        ProbeError: The folder cannot be made or written to, or holds results already.
    """
    try:
        _hold_apart(read or {}, folder)
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in (*NAMES, *_SWEEPS) if os.path.lexists(folder / name)]
        if there and not overwrite:
            raise ProbeError(f"{folder} holds {there[0]} already; give --overwrite to replace it")
        if (directory := next((one for one in NAMES if (folder / one).is_dir()), None)) is not None:
            raise ProbeError(f"{folder / directory} is a folder, so no file can be written there")
        _new(folder, "trial", "").unlink()
    except OSError as error:
        raise ProbeError(f"{folder} cannot be written to: {error.strerror}") from error


def _hold_apart(read: Mapping[str, Path], folder: Path) -> None:
    written = {_identity(path): path
               for path in (*(folder / name for name in NAMES), *_leftovers(folder))}
    for name, path in read.items():
        if (found := _identity(path)) is not None and found in written:
            raise UsageError(f"{name} and --output name the same file, '{written[found]}'; what is "
                             "read is never replaced, write to another place")


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file is on disk, whatever links lead there; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _new(folder: Path, name: str, text: str) -> Path:
    """A file of no name that anybody else uses, which no link leads away from."""
    path = folder / f".{name}.{os.getpid()}.tmp"
    path.unlink(missing_ok=True)
    with open(path, "x", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def _leftovers(folder: Path) -> list[Path]:
    """Files of an earlier result that this one does not write anew, and that are Ballast's own."""
    found = []
    for name, mark in {**_SWEEPS, **_BESIDE}.items():
        path = folder / name
        if not path.is_file():
            continue
        with open(path, "rb") as file:
            if mark.encode() in file.read(4096):
                found.append(path)
    return found


def write(folder: Path, rows: Sequence[Row], configuration: Mapping[str, Any]) -> None:
    """Writes the files of a folder, and removes what an earlier result left there.

    `sweep.json` goes first and comes last, so that no row ever stands beside one that is not its
    own. A link in the folder is replaced, and what it leads to stays as it is.

    Raises:
        ProbeError: A file cannot be written.
    """
    texts = {"ledger.csv": ledger_csv(rows), "points.csv": points_csv(rows),
             "sweep.json": sweep_json(rows, configuration)}
    path, parts = folder, []
    try:
        for name, text in texts.items():
            path = folder / name
            parts.append(_new(folder, name, text))
        for path in (folder / "sweep.json", *_leftovers(folder)):
            path.unlink(missing_ok=True)
        for name, part in zip(texts, parts):
            path = folder / name
            part.replace(path)
    except OSError as error:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        raise ProbeError(f"{path} cannot be written: {error.strerror}") from error
