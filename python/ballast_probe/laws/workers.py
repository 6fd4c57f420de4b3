"""Recordings at several lengths at a time, each in a process of its own.

A recording is Python's work from end to end, so that threads would not help. The processes are
forked after everything is imported; a forked process that never ran a backward runs its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ..errors import ProbeError
from ..recording.recording import Recording

_MOST = 3  # at a time: a recording of a model of 70 billion takes half a GiB

_task: Callable[..., Recording] | None = None


class Workers:
    """Records a step at lengths that are asked for ahead.

    Args:
        record: Records it at some lengths.
        count: How many at a time; with one it is done here, when it is needed.
    """

    def __init__(self, record: Callable[..., Recording], count: int) -> None:
        self._record, self._count = record, count
        self._pool: ProcessPoolExecutor | None = None
        self._started: dict[tuple[int, ...], Future[Recording]] = {}

    def start(self, pairs: Iterable[tuple[int, ...]]) -> None:
        """Begins to record at some lengths, those first that come first."""
        if self._count < 2:
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, multiprocessing.get_context("fork"), _begin, (self._record,))
        for pair in pairs:
            if pair not in self._started:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that a process with threads is forked
                    self._started[pair] = self._pool.submit(_run, *pair)

    def __call__(self, *lengths: int) -> Recording:
        """The recording at some lengths.

        Raises:
            ProbeError: It cannot be made, or its process was killed.
        """
        if self._count < 2:
            return self._record(*lengths)
        self.start([lengths])  # never here: what has run a backward cannot be forked any more
        try:
            return self._started.pop(lengths).result()
        except BrokenProcessPool as error:
            raise ProbeError("a process that recorded the step was killed, as where memory runs "
                             "out; give the command more, or fewer processors") from error

    def close(self) -> None:
        """Drops what was begun and is not needed."""
        if self._pool is not None:
            processes = list((getattr(self._pool, "_processes", None) or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
            for process in processes:
                process.kill()


def processors() -> int:
    """How many recordings are made at a time: as many as there are processors for them."""
    return min(_MOST, len(os.sched_getaffinity(0)))


@contextlib.contextmanager
def workers(record: Callable[..., Recording], count: int) -> Iterator[Workers]:
    """Workers that are gone at the end, however it comes."""
    made = Workers(record, count)
    try:
        yield made
    finally:
        made.close()


def _begin(record: Callable[..., Recording]) -> None:
    global _task
    _task = record
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command's own end ends them


def _run(*lengths: int) -> Any:
    assert _task is not None
    return _task(*lengths)
