"""Bytes and gradient errors at one prefix length over another size: lines."""

import math
from dataclasses import dataclass
from pathlib import Path

from ballast_pictures.axes import Line, following, lines_along, longest_axis
from ballast_pictures.costs import HEADS, PEAK, cells, heads
from ballast_pictures.data import Series, common, power_of_ten
from ballast_pictures.findings import finding
from ballast_pictures.looks import direct, styles
from ballast_pictures.narrow import Column, Entry, plain
from ballast_pictures.schema import AXES, OPTIONS
from ballast_pictures.words import (
    BODY, GREY, NOTE, PANEL, SMALL, TERMS, canvas, measure, save, title, title_width, unit, wrapped)

LONG, TALL, TICKS = 2.4, 3.5, 0.6  # inches: a panel, and room for what its axis says


@dataclass
class Panel:
    """What is drawn of each line: its points, and the text at its end."""
    title: str
    lines: list[list[tuple[int, float]]]
    ends: list[str]
    is_error: bool = False

    @property
    def room(self) -> float:
        """Inches that the texts at the ends take."""
        return 0.06 * LONG + max(measure(end, BODY, True) for end in self.ends)


def rows(everything: list[Series]) -> list[list[str]]:
    """What each line costs at its end, as a table of texts."""
    column = longest_axis(everything) or ""
    lines = lines_along(column, everything)
    last = max(line.values[-1] for line in lines)
    found = [[f"at {column} = {last:,}", *heads()], ["---", *["---:"] * (len(HEADS) - 1), "---"]]
    # A mode without the option that varies has one point, whatever its value is called.
    return found + [[line.series.label, *(
        cells(line.members[-1], line.points[-1], everything)
        if line.values[-1] == last or column in OPTIONS
        else ["–"] * (len(HEADS) - 1) + [f"no point at {column} = {last:,}"])] for line in lines]


def draw(path: Path, everything: list[Series], notes: list[str], is_narrow: bool = False) -> None:
    column = longest_axis(everything) or ""
    shared = common(everything)
    lines = lines_along(column, everything)
    last = max(line.values[-1] for line in lines)
    headline = finding(everything, peaks=True)
    panels = [p for p in (retained(lines), peak(lines), error(lines)) if p]

    starts = [0.35 + TICKS]
    for panel in panels:
        starts.append(starts[-1] + LONG + panel.room + 0.2 + TICKS)
    width = max(starts[-1] - TICKS + 0.1, title_width(shared, headline))
    said = [*caption(lines, panels), *notes, PEAK, TERMS]
    small = [text for note in said for text in wrapped(note, SMALL, width - 0.7)]
    bottom = NOTE * len(small) + 0.2 + 0.75
    height = bottom + TALL + 1.6
    figure, _ = canvas(width, height, shared, small, headline)
    chosen = styles([line.series for line in lines])

    for panel, start in zip(panels, starts):
        axes = figure.add_axes((start / width, bottom / height, LONG / width, TALL / height))
        axes.set_title(panel.title, loc="left", fontsize=PANEL, weight="bold")
        over(axes, column, everything, last)
        show(axes, panel, lines, chosen)
        direct(axes, ends_of(axes, panel), [(end, "") for end in panel.ends], chosen,
               gap=0.24 / TALL)
    save(figure, path)
    if not is_narrow:
        return
    narrow = Column(*title(shared, headline))
    for panel in panels:
        narrow.panel(panel.title, 2.4)
    narrow.key([Entry(line.series.label, ending(panels, place, column, line.values[-1]), *look)
                for place, (line, look) in enumerate(zip(lines, chosen))])
    for note in said:
        narrow.say(note)
    figure, places = narrow.build()
    for panel, axes in zip(panels, places):
        over(axes, column, everything, last, 4.0)
        show(axes, panel, lines, chosen)
        plain(axes)
    narrow.save(figure, path, "retained")


def ending(panels: list[Panel], place: int, column: str, value: int) -> str:
    """What a line's last point is, in words."""
    parts = []
    for panel in panels:
        if panel.is_error:
            parts.append(panel.ends[place])
        elif points := panel.lines[place]:
            name, unit_name = panel.title.lower().split(", ", 1)[0], panel.title.split(", ", 1)[1]
            parts.append(f"{name} {points[-1][1]:,.1f} {unit_name}")
    return f"at {column} = {value:,}: {', '.join(filter(None, parts))}"


def retained(lines: list[Line]) -> Panel:
    name, count = unit(max(p.retained for line in lines for p in line.points))
    return Panel(f"Retained, {name}",
                 [[(x, p.retained / count) for x, p in zip(line.values, line.points)]
                  for line in lines],
                 [line.series.label for line in lines])


def peak(lines: list[Line]) -> Panel | None:
    """None where no peak was measured."""
    found = [[(x, p.peak) for x, p in zip(line.values, line.points) if p.peak] for line in lines]
    if not any(found):
        return None
    name, count = unit(max(y for line in found for _, y in line))
    return Panel(f"Peak, {name}", [[(x, y / count) for x, y in line] for line in found],
                 [f"{line[-1][1] / count:,.1f}" if line else "" for line in found])


def error(lines: list[Line]) -> Panel | None:
    """None where no error but exact zeros was measured."""
    found = [[(x, p.gradient_error) for x, p in zip(line.values, line.points)
              if p.gradient_error is not None] for line in lines]
    if not any(y for line in found for _, y in line):
        return None
    notes = [line.series.gradient_note(at=line.points[0].n_c) for line in lines]
    return Panel("Gradient error, log scale", found,
                 [note.removeprefix("gradient ") for note in notes], is_error=True)


def over(axes, column: str, everything: list[Series], last: int, long: float = LONG) -> None:
    """The axis that all panels share: ticks at the values, where there is room for them."""
    ticks: list[int] = []
    for value in sorted({int(s.key[column]) for s in everything}, reverse=True):
        room = measure(f"{value:,}", BODY) + 0.04
        if not ticks or (ticks[-1] - value) / last * long >= room:
            ticks.append(value)
    axes.set_xlim(0, last)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    label, others = AXES[column]["title"], following(column, everything)
    axes.set_xlabel(label + (f" ({', '.join(others)} with it)" if others else ""), color=GREY)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)


def show(axes, panel: Panel, lines: list[Line], chosen: list[tuple]) -> None:
    """The lines of a panel, and their texts."""
    from matplotlib.ticker import FuncFormatter

    drawn = panel.lines
    if panel.is_error:
        drawn = with_zeros(axes, drawn)
    else:
        axes.set_ylim(0, max(y for line in drawn for _, y in line) * 1.06)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
    for index, (line, points, (color, marker, dash)) in enumerate(zip(lines, drawn, chosen)):
        # Later lines are thinner and their markers smaller, so that equal ones show both.
        share = index / max(len(lines) - 1, 1)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, color=color, linestyle=dash, linewidth=3.0 - 1.6 * share,
                  zorder=10 + index, clip_on=False)
        hollow = all(p.is_shape for p in line.points)
        axes.plot(xs, ys, linestyle="none", marker=marker, markersize=9 - 3.5 * share, color=color,
                  zorder=40 + index, markerfacecolor="white" if hollow else color,
                  markeredgecolor=color if hollow else "white", clip_on=False)


def ends_of(axes, panel: Panel) -> list[tuple[int, float] | None]:
    """The lines' last points; exact zeros stand where `with_zeros` has them."""
    lowest = axes.get_ylim()[0] * 3 if panel.is_error else 0
    return [(line[-1][0], line[-1][1] or lowest) if line else None for line in panel.lines]


def with_zeros(axes, lines: list[list[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
    """Sets a log scale with a line for exact zeros a decade below it; returns the points on it."""
    from matplotlib.ticker import NullLocator

    flat = [y for line in lines for _, y in line]
    low = math.floor(math.log10(min(y for y in flat if y)))
    high = max(0, math.ceil(math.log10(max(flat))))
    has_zeros = any(y == 0 for y in flat)
    zero = 10.0 ** (low - 1)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(zero / 3 if has_zeros else 10.0**low, 10.0**high * 1.3)
    step = math.ceil((high - low) / 5)
    ticks = [10.0**power for power in range(high, low - 1, -step)]
    names = ["1" if t == 1 else power_of_ten(t).removeprefix("1·") for t in ticks]
    axes.set_yticks(ticks + [zero] * has_zeros, names + ["0"] * has_zeros)
    return [[(x, y or zero) for x, y in line] for line in lines]


def caption(lines: list[Line], panels: list[Panel]) -> list[str]:
    """Sentences on what the lines are."""
    kinds = {p.is_shape for line in lines for p in line.points}
    text = {frozenset([False]): "Markers are measured points",
            frozenset([True]): "Hollow markers are points computed from shapes alone",
            }.get(frozenset(kinds), "Filled markers are measured, hollow ones computed from shapes")
    text += ", joined by straight lines."
    if any(y == 0 for p in panels if p.is_error for line in p.lines for _, y in line):
        text += " Gradient errors that are exactly zero stand below the log scale, at 0."
    return [text]
