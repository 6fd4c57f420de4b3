"""Text of other people's, made fit for one line of a terminal or a file."""

from __future__ import annotations

import unicodedata

# Control characters, those that turn the order of writing, halves of others, and ends of lines.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: str) -> str:
    """The text with every character that is not seen, and might do something, written out."""
    if text.isprintable():
        return text
    return "".join(character.encode("unicode_escape").decode()
                   if unicodedata.category(character) in _UNSEEN else character
                   for character in text)


def first_line(error: BaseException) -> str:
    """An error's first sentence, without the full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return text.split(". ")[0].rstrip(".")[:300]
