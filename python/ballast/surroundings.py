"""What a forward pass depends on besides its inputs: random states and autocast; kept for a second one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from .values import are_known


class RandomStates:
    """The states of the generators that a pass over some tokens draws from."""

    def __init__(self, tokens: Tensor) -> None:
        self._device = tokens.device
        self._has_values = are_known(tokens)
        self._states = self._now()

    def moved(self) -> bool:
        """Whether something has been drawn since; of shapes alone nothing is."""
        return self._has_values and any(not torch.equal(one, other) for one, other
                                        in zip(self._states, self._now(), strict=True))

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draws once more what was drawn from here on, and leaves the generators as they were."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.set_rng_state(self._states[0])
            if devices:
                torch.cuda.set_rng_state(self._states[1], self._device)
            yield

    def _now(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self._device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._device))
        return states


class Autocast:
    """Autocast as it is set where this is made."""

    def __init__(self, device: torch.device) -> None:
        self._kinds = [
            (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
            for kind in dict.fromkeys((device.type, "cpu"))]
        self._is_cached = torch.is_autocast_cache_enabled()

    @contextmanager
    def again(self) -> Iterator[None]:
        with ExitStack() as stack:
            for kind, dtype, enabled in self._kinds:
                stack.enter_context(torch.autocast(
                    kind, dtype=dtype, enabled=enabled, cache_enabled=self._is_cached))
            yield
