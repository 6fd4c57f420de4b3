"""Reads a JSON file that somebody else may have made: whole, of a bounded size, or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from .errors import ProbeError

_MOST_BYTES = 64 << 20
_LFS = b"version https://git-lfs.github.com/spec/"


def read_json(path: Path, what: str = "configuration") -> Any:
    """The value that a file holds.

    Args:
        path: The file.
        what: What it is read as, for sentences.

    Raises:
        ProbeError: It is no regular file, larger than 64 MiB, or no JSON.
    """
    data = _read(path, what)
    if data.startswith(_LFS):
        raise ProbeError(f"{path} is a pointer of Git LFS, not the file itself; "
                         "'git lfs pull' in its repository fetches that")
    try:
        # A byte order mark is no part of the text.
        return json.loads(data.decode("utf-8-sig"), parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        why = "its values are nested too deeply" if isinstance(error, RecursionError) else error
        raise ProbeError(f"{path} cannot be read as a {what}: {why}") from error


def _read(path: Path, what: str) -> bytes:
    try:
        # Opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ProbeError(f"{path} is no regular file, so it cannot be read as a "
                                 f"{what}")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise ProbeError(f"{path} cannot be read as a {what}: "
                         f"{getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MOST_BYTES:
        raise ProbeError(f"{path} is larger than {_MOST_BYTES >> 20} MiB, which no {what} is")
    return data


def _constant(word: str) -> float | NoReturn:
    """Infinity, which transformers writes where there is no limit; NaN stands for no value."""
    if word == "NaN":
        raise ValueError("it holds a bare NaN, which no field can mean")
    return float(word)
