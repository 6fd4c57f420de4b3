"""Tables of positions: a model that has one takes no more tokens than it has rows.

On shapes alone a row that is not there is read like any other, where a real step ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import torch

from ..errors import UsageError

_LEARNED = re.compile(r"wpe|(?!.*relative).*position(s|al)?_?(embed.*)?", re.IGNORECASE)
# Rows of sines that are made once, for so many positions (GPT-J, CodeGen, CTRL).
_MADE = ("embed_positions", "pos_encoding")


def refusing_more_tokens(model: torch.nn.Module, family: str, tokens: int) -> None:
    """Has a model refuse, when it runs, more tokens than a table of positions has rows.

    A table that does not run, such as one of images, refuses nothing.

    Args:
        model: The model.
        family: What sentences call it.
        tokens: Those of each sequence.
    """
    for module, rows in list(_tables(model)):
        if rows < tokens:
            module.register_forward_pre_hook(_refusal(family, rows, tokens))


def _tables(model: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, int]]:
    """Modules that look positions up, and how many they know."""
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Embedding) and _LEARNED.fullmatch(path.split(".")[-1]):
            yield module, module.num_embeddings - _first(module)
        for name, buffer in module.named_buffers(recurse=False):
            if name in _MADE and buffer.dim() == 2:
                yield module, buffer.shape[0]


def _first(table: torch.nn.Embedding) -> int:
    """The row of the first position: OPT and BART have an offset, RoBERTa counts from padding."""
    offset = getattr(table, "offset", None)
    if isinstance(offset, int):
        return offset
    return 0 if table.padding_idx is None else table.padding_idx + 1


def _refusal(family: str, rows: int, tokens: int) -> Any:
    def refuse(*_: Any) -> NoReturn:
        raise UsageError(f"--n-c and --n-g make {tokens:,} tokens, and the model of type "
                         f"'{family}' has positions for {rows:,} alone; give fewer tokens, or a "
                         "configuration with more positions")
    return refuse
