"""Loaders of data: their batches come from this very process, and lie on the host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

from torch.utils.data import dataloader
from torch.utils.data._utils import pin_memory


@contextlib.contextmanager
def loading_here() -> Iterator[None]:
    """Loads without processes or threads of workers, which would not know what is recorded.

    Nothing is pinned. transformers reads a model's files in threads unless a variable says no.
    """
    alone: Any = dataloader._SingleProcessDataLoaderIter

    def load(loader: Any) -> Any:
        workers, timeout = loader.num_workers, loader.timeout
        loader.num_workers = loader.timeout = 0
        try:
            return alone(loader)
        finally:
            loader.num_workers, loader.timeout = workers, timeout

    with mock.patch.dict(os.environ, {"HF_DEACTIVATE_ASYNC_LOAD": "1"}), \
            mock.patch.object(dataloader, "_MultiProcessingDataLoaderIter", load), \
            mock.patch.object(pin_memory, "pin_memory", lambda data, *_, **__: data):
        yield
