"""Many series at one prefix length: a row each, by mode; bars of bytes, retained and peak."""

from pathlib import Path

from ballast_pictures.costs import PEAK
from ballast_pictures.data import Point, Series, common, options, representative
from ballast_pictures.findings import finding
from ballast_pictures.looks import colors
from ballast_pictures.narrow import INNER, MARGIN, Column
from ballast_pictures.words import (
    BODY, GREY, INK, NOTE, PANEL, SMALL, TERMS, canvas, measure, save, title, title_width, unit,
    wrapped)

PITCH, BAR, PEAK_BAR, LENGTH = 0.32, 0.18, 0.07, 4.3  # inches: row to row, two bars, the longest
TWO = 0.5  # inches: a row of a text above its bars
BETWEEN = 0.16  # inches more between modes


def draw(path: Path, everything: list[Series], notes: list[str], is_narrow: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    shared = common(everything)
    points = [representative(s) for s in everything]
    head, names = named(everything)
    most = max(max(p.peak or 0, p.retained) for p in points)
    name, size = unit(most)
    scale = LENGTH / max(most, 1)
    ends = [ending(s, p, size) for s, p in zip(everything, points)]

    headline = finding(everything, peaks=True)
    second = 0.35 + max(measure(s.mode, BODY, True) for s in everything) + 0.25
    start = second + max(measure(text, SMALL) for text in [head, *names]) + 0.2
    width = max(start + LENGTH + 0.5 + max(measure(text, SMALL) for text in ends),
                title_width(shared, headline))
    if any(p.is_shape for p in points):
        notes = [shapes(everything, points), *notes]
    said = [*notes, PEAK, TERMS]
    notes = [line for note in said for line in wrapped(note, SMALL, width - 0.7)]
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
    y, before = top - PITCH / 2, ""
    for series, point, text, end, color in zip(everything, points, names, ends, colors(everything)):
        y -= BETWEEN if before not in ("", series.mode) else 0
        if series.mode != before:
            axes.text(0.35, y, series.mode, fontsize=BODY, weight="bold", color=color,
                      va="center_baseline")
        before = series.mode
        axes.text(second, y, text, fontsize=SMALL, color=INK, va="center_baseline")
        bars(axes, start, y, point, scale, color)
        axes.text(start + max(point.peak or 0, point.retained) * scale + 0.12, y, end,
                  fontsize=SMALL, color=INK, va="center_baseline")
        y -= PITCH
    save(figure, path)
    if is_narrow:
        narrow(path, everything, title(shared, headline), said)


def narrow(path: Path, everything: list[Series], titles: tuple[str, str], said: list[str]) -> None:
    """Every row's text above its bars."""
    points = [representative(s) for s in everything]
    most = max(max(p.peak or 0, p.retained) for p in points)
    name, size = unit(most)
    head, names = named(everything)
    modes = len({s.mode for s in everything})
    texts = [wrapped(": ".join(filter(None, [text, ending(s, p, size)])), SMALL, INNER)
             for s, p, text in zip(everything, points, names)]
    tall = 0.4 * modes + sum(TWO + NOTE * (len(text) - 1) for text in texts)
    column = Column(*titles)
    column.say(f"Retained at the boundary, {name}", PANEL, "black", bold=True)
    column.say(f"Thick bar: retained; thin bar: peak. {f'By {head}.' if head else ''}".strip())
    column.panel("", tall, left=0, right=MARGIN, below=0.1)
    for note in said:
        column.say(note)
    figure, (axes,) = column.build()
    axes.set(xlim=(0, INNER), ylim=(0, tall))
    axes.axis("off")
    y, before = tall, ""
    for series, point, text, color in zip(everything, points, texts, colors(everything)):
        if series.mode != before:
            y -= 0.1 if before else 0
            axes.text(0, y - 0.14, series.mode, fontsize=BODY, weight="bold", color=color,
                      va="center_baseline")
            y -= 0.3
        before = series.mode
        for line in text:
            axes.text(0, y - 0.12, line, fontsize=SMALL, color=INK, va="center_baseline")
            y -= NOTE
        bars(axes, 0, y - 0.34 + NOTE, point, INNER / max(most, 1), color)
        y -= TWO - NOTE
    column.save(figure, path, "retained")


def bars(axes, start: float, y: float, point: Point, scale: float, color: str) -> None:
    """A bar of what is retained, and a thin one of the peak."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((start, y - BAR / 2), point.retained * scale, BAR, color=color,
                             linewidth=0, zorder=3))
    if point.peak:
        axes.add_patch(Rectangle((start, y - PEAK_BAR / 2), point.peak * scale, PEAK_BAR,
                                 color=color, alpha=0.45, linewidth=0, zorder=2))


def ending(series: Series, point: Point, size: int) -> str:
    """What stands at a bar's end: bytes, and the gradient that they buy."""
    parts = [f"{point.retained / size:,.1f}"]
    if point.peak:
        parts.append(f"peak {point.peak / size:,.1f}")
    parts.append(series.gradient_note(at=point.n_c).removeprefix("gradient "))
    return " · ".join(parts)


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
