"""Which picture shows what varies: lines over n_c or another size, a trade-off, bars, or rows."""

from collections import Counter
from pathlib import Path

from ballast_pictures import bars, lines, over, rows, tradeoff
from ballast_pictures.axes import MANY, longest_axis
from ballast_pictures.data import Series, describe, label
from ballast_pictures.schema import BIASED


def draw(path: Path, everything: list[Series], skipped: Counter, shared: dict[str, str],
         is_narrow: bool = False) -> None:
    picture, drawn = chosen(everything, shared)
    if picture in (bars, lines):
        picture.draw(path, everything, skipped, shared, is_narrow)
        return
    notes = [] if "n_c" in shared else [left_out(everything, drawn)]
    if skipped:
        notes.append(f"Rows left out because they are not ok: {describe(skipped)}.")
    picture.draw(path, drawn, notes, is_narrow)


def chosen(everything: list[Series], shared: dict[str, str]) -> tuple:
    """The module that draws, and the series that it draws: too many are compared at one n_c."""
    if "n_c" not in shared:
        if len(everything) <= MANY:
            return lines, everything
        everything = at_longest(everything)
    if axis := longest_axis(everything):
        priced = {s.key[axis] for s in everything if s.mode in BIASED
                  and any(p.gradient_error is not None for p in s.points)}
        return (tradeoff if axis == "keep_prefix" and len(priced) > 1 else over), everything
    return (bars if "n_c" in shared and len(everything) <= MANY else rows), everything


def at_longest(everything: list[Series]) -> list[Series]:
    """The series that have a point at the largest n_c, with those points alone."""
    longest = lines.longest_prefix(everything)
    found = [Series(s.key, points=[p for p in s.points if p.n_c == longest], errors=s.cut_errors)
             for s in everything]
    found = [s for s in found if s.points]
    for series in found:
        series.label = label(series, found)
    return found


def left_out(everything: list[Series], drawn: list[Series]) -> str:
    """Says which prefix lengths, and which series without the largest, are not in the picture."""
    lengths = sorted({p.n_c for s in everything for p in s.points})
    text = f"Of the prefix lengths {', '.join(f'{n:,}' for n in lengths)} the largest is drawn."
    if any(len(set(s.cut_errors)) > 1 for s in everything if s.mode in BIASED):
        text += " The title's gradient errors are those of all of them."
    absent = [s.label for s in everything if all(s.key != d.key for d in drawn)]
    return text + (f" Without a point there: {'; '.join(absent)}." if absent else "")
