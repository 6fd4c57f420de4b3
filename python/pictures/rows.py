"""Many series at one prefix length: a row each, by mode; bars of bytes, and what they cost."""

from pathlib import Path

from pictures.costs import cells, explained, widths, write
from pictures.data import Point, Series, common, options, representative
from pictures.findings import finding
from pictures.looks import colors
from pictures.words import (
    BODY, GREY, INK, NOTE, PANEL, SMALL, TERMS, canvas, measure, save, title_width, unit, wrapped)

PITCH, BAR, PEAK, LENGTH = 0.32, 0.18, 0.07, 4.3  # inches: row to row, two bars, the longest bar
BETWEEN = 0.16  # inches more between modes


def draw(path: Path, everything: list[Series], notes: list[str]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    shared = common(everything)
    points = [representative(s) for s in everything]
    texts = [cells(s, p, everything) for s, p in zip(everything, points)]
    head, names = named(everything)
    most = max(max(p.peak or 0, p.retained) for p in points)
    name, size = unit(most)
    scale = LENGTH / max(most, 1)

    headline = finding(everything, peaks=True)
    second = 0.35 + max(measure(s.mode, BODY, True) for s in everything) + 0.25
    start = second + max(measure(text, SMALL) for text in [head, *names]) + 0.2
    width = max(start + LENGTH + sum(widths(texts)) + 0.35, title_width(shared, headline))
    if any(p.is_shape for p in points):
        notes = [shapes(everything, points), *notes]
    notes = [*notes, explained(everything), TERMS]
    notes = [line for note in notes for line in wrapped(note, SMALL, width - 0.7)]
    modes = list(dict.fromkeys(s.mode for s in everything))
    bottom = NOTE * len(notes) + 0.2 + 0.45
    long = PITCH * len(everything) + BETWEEN * (len(modes) - 1)
    height = bottom + long + 2.0
    figure, axes = canvas(width, height, shared, notes, headline)

    top = bottom + long
    axes.text(start, top + 0.38, f"Retained at the boundary, {name}", fontsize=PANEL, weight="bold")
    if any(p.peak for p in points):
        axes.text(start, top + 0.16, "thin bar: peak", fontsize=SMALL, color=GREY)
    axes.text(second, top + 0.16, head, fontsize=SMALL, color=GREY)
    for tick in MaxNLocator(5).tick_values(0, most / size):
        if 0 <= tick * size <= most:
            x = start + tick * size * scale
            axes.plot([x, x], [bottom, top], color="#E4E4E4" if tick else GREY, linewidth=0.8)
            axes.text(x, bottom - 0.06, f"{tick:,g}", fontsize=SMALL, color=GREY, ha="center",
                      va="top")
    heights, y, before = [], top - PITCH / 2, everything[0].mode
    for series, point, text, color in zip(everything, points, names, colors(everything)):
        y -= BETWEEN if series.mode != before else 0
        if series.mode != before or not heights:
            axes.text(0.35, y, series.mode, fontsize=BODY, weight="bold", color=color,
                      va="center_baseline")
        before = series.mode
        axes.text(second, y, text, fontsize=SMALL, color=INK, va="center_baseline")
        axes.add_patch(Rectangle((start, y - BAR / 2), point.retained * scale, BAR, color=color,
                                 linewidth=0, zorder=3))
        if point.peak:
            axes.add_patch(Rectangle((start, y - PEAK / 2), point.peak * scale, PEAK, color=color,
                                     alpha=0.45, linewidth=0, zorder=2))
        heights.append(y)
        y -= PITCH
    write(axes, start + LENGTH, top + 0.16, heights, texts)
    save(figure, path)


def shapes(everything: list[Series], points: list[Point]) -> str:
    """Says which rows were not measured but computed."""
    if all(p.is_shape for p in points):
        return "All rows are computed from shapes alone."
    computed = [s.label for s, p in zip(everything, points) if p.is_shape]
    return f"Computed from shapes alone: {'; '.join(computed)}."


def named(everything: list[Series]) -> tuple[str, list[str]]:
    """What sets the rows of a mode apart: one column's name and values, or names and values."""
    found = [options(s, everything) for s in everything]
    columns = {c for option in found for c in option}
    if len(columns) == 1:
        return columns.pop(), ["".join(o.values()) or "none" for o in found]
    return "", [s.label.removeprefix(s.mode).removeprefix(", ") for s in everything]
