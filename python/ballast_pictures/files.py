"""Files that somebody else may have written: bounded, regular, and fit to be shown."""

import csv
import io
import os
import stat
import unicodedata
from pathlib import Path

MOST_BYTES = 256 << 20  # as for result files in the program
MOST_LETTERS = 120  # of a name in a picture


class Unplottable(Exception):
    """Why there is no picture, as one sentence."""


def printable(text: str) -> str:
    """Text on one line: whatever is not plainly visible is escaped, as the program does it."""
    return "".join(
        f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else c for c in text)


def shown(name: str) -> str:
    """A name from a file, as a picture shows it: printable, and cut where it is long."""
    return printable(name[:MOST_LETTERS]) + ("…" if len(name) > MOST_LETTERS else "")


def text_of(path: Path) -> str:
    """The text of a regular file of bounded size; a pipe or a device could be read for ever.

    Raises FileNotFoundError, or Unplottable with a sentence.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Unplottable(f"{path} cannot be read: {getattr(error, 'strerror', error)}")
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
        os.close(descriptor)
        what = ("a directory, not a file" if stat.S_ISDIR(status.st_mode)
                else "not a regular file, and is not read" if not stat.S_ISREG(status.st_mode)
                else f"larger than {MOST_BYTES >> 20} MiB, and is not read")
        raise Unplottable(f"{path} is {what}")
    with open(descriptor, "rb") as file:
        try:
            return file.read(MOST_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise Unplottable(f"{path} cannot be read: {getattr(error, 'strerror', error)}")


def has_columns(path: Path, columns: set[str]) -> bool:
    """Whether the header of a CSV file has these among its columns; no, of what is none."""
    try:
        return columns <= set(next(csv.reader(io.StringIO(text_of(path), newline="")), []))
    except (FileNotFoundError, Unplottable, csv.Error):
        return False


def table(path: Path, columns: list[str], writer: str) -> list[dict[str, str]]:
    """The rows of a CSV file that must have these columns, as `writer` makes it."""
    try:
        reader = csv.DictReader(io.StringIO(text_of(path), newline=""))
        if missing := [c for c in columns if c not in (reader.fieldnames or [])]:
            raise Unplottable(f"{path} lacks the columns {', '.join(missing)}; {writer} writes them")
        return list(reader)
    except FileNotFoundError:
        raise Unplottable(f"{path} cannot be read: there is no such file")
    except csv.Error as error:
        raise Unplottable(f"{path} cannot be read: {error}")
