"""What `ballast_probe.step` is called with, refused at once where it cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch

from ..errors import UsageError
from ..regions import Layout
from .rules import RULES
from .rules.attention import BACKENDS

_LINE = re.compile(r".+:[0-9]+")


def refuse_arguments(
    *, model: Any, layout: Any, attention: Any, reads: Any, is_packed: Any, is_padded: Any,
    without: Any,
) -> None:
    """Refuses arguments of a wrong type, and words that mean nothing.

    Raises:
        UsageError: One sentence says which, and what it must be.
    """
    if model is not None and not isinstance(model, torch.nn.Module):
        what = "its class" if isinstance(model, type) else _shown(model)
        raise UsageError(f"model is {what} and must be a torch.nn.Module or None")
    if attention not in BACKENDS:
        raise UsageError(f"attention is {_shown(attention)} and must be one of "
                         f"{', '.join(BACKENDS)}")
    for name, value in (("is_packed", is_packed), ("is_padded", is_padded)):
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {_shown(value)} and must be True or False")
    _refuse_layout(layout)
    _refuse_reads(reads)
    _refuse_rules(without)


def _refuse_layout(layout: Any) -> None:
    if layout is None:
        return
    if not isinstance(layout, Layout):
        raise UsageError(f"layout is {_shown(layout)} and must be a ballast_probe.Layout, such as "
                         "Layout(n_c=7168, n_g=1024, batch=1), or None")
    for name, least in (("n_c", 0), ("n_g", 0), ("batch", 1), ("first_row", 0)):
        value = getattr(layout, name)
        if type(value) is not int or value < least:
            raise UsageError(f"layout's {name} is {_shown(value)} and must be a whole number of "
                             f"{least} or more")


def _refuse_reads(reads: Any) -> None:
    if reads is None or isinstance(reads, (bool, int, float)):
        return
    if not isinstance(reads, Mapping):
        raise UsageError(f"reads is {_shown(reads)} and must be a number for every read, or "
                         'numbers by line, such as {"train.py:42": 3.0}')
    for line, value in reads.items():
        if not isinstance(line, str) or not _LINE.fullmatch(line):
            raise UsageError(f'reads has the line {_shown(line)}, and a line is like "train.py:42"')
        if not isinstance(value, (bool, int, float)):
            raise UsageError(f"reads has {_shown(value)} for {line}, and must have a number")


def _refuse_rules(without: Any) -> None:
    if isinstance(without, (str, bytes)) or not isinstance(without, Collection):
        raise UsageError(f"without is {_shown(without)} and must be a list of names of rules, such "
                         'as ["in-place-gradients"]')
    names = [rule.name for rule in RULES]
    for name in without:
        if name not in names:
            raise UsageError(f"there is no rule {_shown(name)}; there are {', '.join(names)}")


def _shown(value: Any) -> str:
    """A value as Python writes it, on one line and cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}..."
