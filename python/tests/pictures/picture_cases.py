"""Made-up results, and what the pictures of them say."""

from __future__ import annotations

import csv
import tempfile
import unittest
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from checkout import ROOT
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.text import Text

from ballast_pictures import bars, choice, lines, over, rows, tradeoff
from ballast_pictures.data import Series, read
from ballast_pictures.schema import FILES, OF_PREFIX, REGIONS
from ballast_pictures.schema import MODES as ALL_MODES

Row = dict[str, Any]

PLOT = ROOT / "scripts/plot"
COMMITTED = ROOT / "Tests/Fixtures/pictures"

MODES = list(ALL_MODES)
POLICIES = ["none", "elementwise", "attention", "layer"]
FIXED = {"model": "m", "layers": 1, "d_model": 64, "heads": 4, "kv_heads": 4, "d_head": 16,
         "d_ff": 172, "vocab": 256, "dtype": "float32", "attention": "fused", "head": "loss-rows",
         "recompute": "none", "loss_rows": "generated", "keep_prefix": 0, "chunk": 256,
         "backend": "cpu", "batch": 1, "n_c": 64, "n_g": 8, "status": "ok"}
DIVISORS = dict(zip(MODES, (1, 2, 8, 8)))
ERRORS = dict(zip(MODES, (0, 1.5e-7, 0, 0.4)))


def row(**axes: Any) -> Row:
    """A row whose bytes grow with every size and shrink with the mode and what is recomputed."""
    found = {**FIXED, "mode": "full-graph", **axes}
    kept = int(found["keep_prefix"])
    rest = found["n_c"] - kept
    bytes_ = 2**20 * found["layers"] * (kept + rest // DIVISORS[found["mode"]])
    bytes_ //= 1 + POLICIES.index(found["recompute"])
    regions = {region: bytes_ if region == OF_PREFIX[0] else 0 for region in REGIONS}
    error = ERRORS[found["mode"]] * rest / found["n_c"]
    return {"retained_bytes": bytes_, "peak_bytes": bytes_ * 2, "matmul_flops": bytes_ * 3,
            "gradient_relative_error": error, **found,
            **{REGIONS[region]["figure"]: value for region, value in regions.items()}}


def padded(**axes: Any) -> Row:
    """A row of a batch of different lengths, 32 MiB of it padding."""
    found = row(lengths="16+8,64+8", n_c=64, n_g=8, batch=2, **axes)
    return found | {"retained_padding_bytes": 2**25,
                    "retained_bytes": found["retained_bytes"] + 2**25}


def sweep(**axes: Sequence[Any]) -> list[Row]:
    """Every combination of the axes; keep_prefix belongs to the detached prefix alone."""
    found = [row(**dict(zip(axes, values))) for values in product(*axes.values())]
    return [r for r in found if r["mode"] == "detached-prefix" or not r["keep_prefix"]]


SWEEPS: list[tuple[ModuleType, list[Row]]] = [
    (lines, sweep(mode=MODES, n_c=[64, 128, 256])),
    (lines, sweep(mode=MODES[:2], recompute=POLICIES, n_c=[64, 128])),
    (bars, sweep(mode=MODES)),
    (bars, sweep(mode=MODES[:2], recompute=POLICIES)),
    (over, sweep(mode=MODES, layers=[1, 2, 4, 8, 16])),
    (over, sweep(mode=MODES, layers=[1, 2, 3], n_c=[64, 128])),
    (over, sweep(mode=MODES[:2], recompute=POLICIES, batch=[1, 2])),
    (tradeoff, sweep(mode=MODES, keep_prefix=[0, 1, 2, 8, 16, 32, 48, 64])),
    (tradeoff, sweep(mode=["detached-prefix"], layers=[1, 2], keep_prefix=[0, 1, 8, 32, 64])),
    (over, [{**r, "gradient_relative_error": ""}
            for r in sweep(mode=MODES, keep_prefix=[0, 8, 32])]),
    (rows, sweep(mode=MODES, recompute=POLICIES, n_c=[64, 128])),
    (rows, sweep(mode=MODES, attention=["fused", "materialized"], dtype=["float32", "bfloat16"])),
]

# Batches of different lengths, each at its longest prompt; groups of completions.
LENGTHS = [row(lengths=lengths, n_c=n_c, batch=batch, layout="padded", recompute=policy)
           for lengths, n_c, batch in (("64+8,40+3,24+7", 64, 3), ("60+4,16+8", 60, 2))
           for policy in ("none", "layer")]
GROUPS = [row(batch=2, suffixes=suffixes, sharing=sharing, n_c=n_c)
          for suffixes in (1, 4) for sharing in ("none", "prefix") for n_c in (32, 64, 96, 128)]
SWEEPS += [(lines, LENGTHS), (lines, GROUPS)]


def write(path: Path, table: Sequence[Row], columns: Sequence[str] = ()) -> None:
    """A CSV file of rows, with their own columns or the given ones."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(table[0]), restval="")
        writer.writeheader()
        writer.writerows(table)


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text().strip()]


def said(figure: Figure) -> str:
    """All texts of a picture, one after the other."""
    return " ".join(t.get_text() for t in texts(figure))


def shown(figure: Figure) -> list[Text]:
    """The texts, without the labels of ticks beyond the axes' limits, which are not drawn."""
    beyond = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
              for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels())
              if not min(axis.get_view_interval()) <= place <= max(axis.get_view_interval())
              or not axes.axison}
    return [t for t in texts(figure) if t.get_visible() and t not in beyond]


class PictureTests(unittest.TestCase):
    """Tests that draw, and read what was drawn."""

    def tearDown(self) -> None:
        pyplot.close("all")

    def read(self, table: list[Row], laws: Sequence[Row] = (),
             ) -> tuple[list[Series], Counter[str], dict[str, str]]:
        """What the package reads from files of these rows."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            columns = dict.fromkeys(column["name"] for column in FILES["points"]["columns"])
            write(path, table, list(columns))
            if laws:
                write(path.parent / "laws.csv", laws)
            return read(path)

    def figure(self, table: list[Row], laws: Sequence[Row] = ()) -> tuple[ModuleType, Figure]:
        """What is drawn of a table, and by which module."""
        drawn: list[tuple[ModuleType, Figure]] = []
        with ExitStack() as stack:
            for module in (bars, lines, over, rows, tradeoff):
                def keep(figure: Figure, _: Path, module: ModuleType = module) -> None:
                    drawn.append((module, figure))
                stack.enter_context(mock.patch.object(module, "save", keep))
            choice.draw(Path(), *self.read(table, laws))
        return drawn[0]
