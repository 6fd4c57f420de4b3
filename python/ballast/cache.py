"""The cache that a model is handed: it stores a prefix, or puts one in front of new rows.

It never grows with what it is handed after the prefix, so that a layer may be run a second time,
and several continuations may read one prefix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor
from transformers.cache_utils import (
    DYNAMIC_LAYER_TYPE_MAPPING,
    Cache,
    CacheLayerMixin,
    get_layer_types_and_kwargs,
)

from . import attention
from .errors import StepError
from .keyvalues import KeyValues, Seen

# Layers that keep keys and values of each token, whole or within a window.
_WHOLE = {"full_attention"}
_WINDOWED = {"sliding_attention", "chunked_attention", "reference_sliding_attention"}
_WITHOUT = {"dummy"}


def windows(config: Any) -> list[int | None | str]:
    """For each layer of a decoder: its window in tokens, None if it sees all, "none" if it keeps
    none.

    Raises:
        StepError: A layer keeps something else than keys and values of each token.
    """
    found: list[int | None | str] = []
    types, arguments = get_layer_types_and_kwargs(config)
    for index, (kind, given) in enumerate(zip(types, arguments, strict=True)):
        if kind in _WITHOUT:
            found.append("none")
        elif kind in _WINDOWED:
            found.append(int(given["sliding_window"]))
        elif kind in _WHOLE:
            found.append(None)
        else:
            raise StepError(
                f"layer {index} of {config.model_type} is of type '{kind}', which keeps more than "
                "keys and values of each token; a prefix of it can only be kept in the graph "
                "whole: mode='full'")
    return found


class PrefixCache(Cache):  # type: ignore[misc]
    """Keys and values of the first `rows` prefix rows, for a model that runs the rows behind them.

    Args:
        layers: Those of the prefix, one of each layer of the model, None where it keeps none.
        widths: The layers' windows, as `windows` gives them.
        rows: Prefix rows in front of the new ones.
        stores: Whether the new rows are prefix rows, which are stored.
        anchor, gathers: See `Seen`.
        copies: Whether keys are copied together for a model that attends as it likes.
    """

    def __init__(self, layers: list[KeyValues | None], widths: list[int | None | str], rows: int, *,
                 stores: bool = False, anchor: Tensor | None = None, gathers: bool = False,
                 copies: bool = False) -> None:
        made: list[Any] = []
        for layer, width in zip(layers, widths, strict=True):
            if layer is None:
                made.append(DYNAMIC_LAYER_TYPE_MAPPING["dummy"]())
                continue
            window = width if isinstance(width, int) else None
            first = 0 if window is None else max(0, rows - (window - 1))
            made.append(_Layer(Seen(layer, first, rows, anchor, gathers), window, stores, copies))
        super().__init__(layers=made)

    def fresh(self) -> list[tuple[Tensor, Tensor] | None]:
        """Keys and values of the new rows, layer by layer; None for a layer that keeps none.

        Raises:
            StepError: A layer that should have handed them to the cache has not.
        """
        found: list[tuple[Tensor, Tensor] | None] = []
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, _Layer):
                found.append(None)
            elif layer.fresh is None:
                raise StepError(
                    f"layer {index} handed no keys and values to its cache; a prefix of this model "
                    "can only be kept in the graph whole: mode='full'")
            else:
                found.append(layer.fresh)
        return found


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    def __init__(self, seen: Seen, window: int | None, stores: bool, copies: bool) -> None:
        super().__init__()
        self.is_sliding = window is not None
        self.fresh: tuple[Tensor, Tensor] | None = None
        self._seen, self._stores, self._copies = seen, stores, copies

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: rows are stored as they come."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any,
               **__: Any) -> tuple[Tensor, Tensor]:
        seen = self._seen
        key_states, value_states = attention.as_autocast(key_states, value_states)
        if not (key_states.requires_grad or value_states.requires_grad):
            # Nothing that is trained has part in them, so it has none in the prefix's either.
            seen = replace(seen, anchor=None, gathers=False)
        if self.fresh is None:
            self.fresh = key_states, value_states
        if self._stores:
            seen.layer.store(seen.end, key_states, value_states)
        if self._copies:
            empty = seen.end == seen.first
            return (key_states, value_states) if empty else seen.joined(key_states, value_states)
        attention.tag(key_states, seen)
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._seen.end - self._seen.first + query_length, self._seen.first

    def get_seq_length(self) -> int:
        return self._seen.end

    def get_max_length(self) -> int:
        return -1
