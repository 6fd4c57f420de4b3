"""What a longer kept prefix costs and gives: gradient error against retained bytes."""

from dataclasses import dataclass
from pathlib import Path

from ballast_pictures.axes import Line, lines_along
from ballast_pictures.data import Series, common
from ballast_pictures.findings import finding
from ballast_pictures.looks import styles
from ballast_pictures.narrow import Column, Entry, plain
from ballast_pictures.schema import BIASED
from ballast_pictures.words import (
    BODY, GREY, NOTE, PANEL, SMALL, TERMS, canvas, measure, save, title, title_width, unit, wrapped)

LONG, TALL = 9.6, 4.6  # inches: the panel
NEAR = 0.3  # inches: markers closer than this share a label
NAME = "Gradient off by, %"
MEANING = ("W: how many of the last prefix rows detached-prefix leaves in the graph (keep_prefix). "
           "At W = n_c nothing is detached, and the gradient is exact.")


@dataclass
class Label:
    """A text, and the marker that it names, in inches from the panel's left and bottom."""
    text: str
    x: float
    y: float
    color: str
    is_bold: bool


def draw(path: Path, everything: list[Series], notes: list[str], is_narrow: bool = False) -> None:
    shared = common(everything)
    lines, unmeasured = measured(lines_along("keep_prefix", everything))
    width = max(LONG + 2.0, title_width(shared, finding(everything)))
    said = [MEANING, *notes, *unmeasured, TERMS]
    notes = [text for note in said for text in wrapped(note, SMALL, width - 0.7)]
    bottom = NOTE * len(notes) + 0.2 + 0.75
    height = bottom + TALL + 1.55
    figure, _ = canvas(width, height, shared, notes, finding(everything))

    axes = figure.add_axes((0.95 / width, bottom / height, LONG / width, TALL / height))
    axes.set_title(NAME, loc="left", fontsize=PANEL, weight="bold")
    fill(axes, lines, (LONG, TALL), 0.9)
    save(figure, path)
    if not is_narrow:
        return
    column = Column(*title(shared, finding(everything)))
    column.panel(NAME, 3.4)
    others = [line for line in lines if not is_kept(line)]
    chosen = styles([line.series for line in lines])
    if others:
        column.key([Entry(line.series.label, "", *look) for line, look in zip(lines, chosen)])
    for note in said:
        column.say(note)
    figure, (axes,) = column.build()
    fill(axes, lines, (4.06, 3.4), 0.1, names_others=False)
    plain(axes)
    column.save(figure, path, "retained")


def fill(axes, lines: list[Line], size: tuple[float, float], beyond: float,
         names_others: bool = True) -> None:
    """The lines and their labels in a panel of a size in inches, with so much room right of it."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    long, tall = size
    largest = max(p.retained for line in lines for p in line.points)
    worst = max(p.gradient_error or 0 for line in lines for p in line.points)
    name, count = unit(largest)
    right, top = largest / count * 1.04, 100 * (worst or 1) * 1.1
    axes.set(xlim=(0, right), ylim=(0, top))
    axes.set_xlabel(f"retained at the boundary, {name}", color=GREY)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)

    labels, markers = [], []
    for line, (color, marker, dash) in zip(lines, styles([line.series for line in lines])):
        xs = [p.retained / count for p in line.points]
        ys = [100 * p.gradient_error for p in line.points]
        # A curve's marker is smaller than another mode's, so that both show where they are equal.
        is_curve = is_kept(line)
        axes.plot(xs, ys, color=color, linestyle=dash, linewidth=1.8, marker=marker,
                  markersize=7.5 if is_curve else 12, markeredgecolor="white", clip_on=False,
                  zorder=10 if is_curve else 5)
        places = [(x / right * long, y / top * tall) for x, y in zip(xs, ys)]
        markers += path_of(places)
        if is_curve or names_others:
            labels += named(line, places, color, several=sum(is_kept(other) for other in lines) > 1)
    for label, (x, y) in zip(labels, placed(labels, markers, (long + beyond, tall))):
        axes.text(x / long, y / tall, label.text, color=label.color, fontsize=BODY, va="bottom",
                  weight="bold" if label.is_bold else "normal", transform=axes.transAxes)


def measured(lines: list[Line]) -> tuple[list[Line], list[str]]:
    """The points whose gradient error is known, and a note on the others."""
    found, absent = [], []
    for line in lines:
        known = [i for i, p in enumerate(line.points) if p.gradient_error is not None]
        absent += [m.label for i, m in enumerate(line.members) if i not in known]
        if known:
            series = Series(line.series.key, line.series.label, [line.points[i] for i in known])
            found.append(Line(series, [line.members[i] for i in known],
                              [line.values[i] for i in known]))
    note = f"Without a measured gradient error, and not drawn: {'; '.join(absent)}."
    return found, [note] if absent else []


def is_kept(line: Line) -> bool:
    return line.series.mode in BIASED


def named(line: Line, places, color: str, several: bool) -> list[Label]:
    """A label for each marker, or one for those that lie close together."""
    if not is_kept(line):
        return [Label(line.series.label, *places[0], color, True)]
    groups: list[list[int]] = []
    for i, (x, y) in enumerate(places):
        last = places[groups[-1][-1]] if groups else None
        if last and max(abs(x - last[0]), abs(y - last[1])) < NEAR:
            groups[-1].append(i)
        else:
            groups.append([i])
    labels = []
    for group in groups:
        kept = [f"{line.values[i]:,}" for i in group]
        text = "W = " + (", ".join(kept) if len(kept) < 5 else f"{kept[0]} … {kept[-1]}")
        labels.append(Label(text, *places[group[0]], color, False))
    if several:
        apart = line.series.label.removeprefix(f"{line.series.mode}, ")
        labels[-1].text = f"{apart}: {labels[-1].text}"
    return labels


def path_of(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The markers, and the line between them as points close together."""
    found = list(places)
    for (x, y), (end, low) in zip(places, places[1:]):
        found += [(x + (end - x) * i / 24, y + (low - y) * i / 24) for i in range(1, 24)]
    return found


def placed(labels: list[Label], markers: list[tuple[float, float]],
           size: tuple[float, float]) -> list[tuple[float, float]]:
    """The lower left corner of each label: near its marker, off all markers, lines and labels."""
    boxes: list[tuple[float, float, float, float]] = []
    for label in labels:
        wide, tall = measure(label.text, BODY, label.is_bold), 0.19
        offers = [(label.x + dx * far + (0 if dx > 0 else -wide if dx < 0 else -wide / 2),
                   label.y + dy * far - (0 if dy > 0 else tall if dy < 0 else tall / 2), far)
                  for far in (0.11, 0.2, 0.3, 0.4, 0.55, 0.7)
                  for dx, dy in ((0.7, 0.7), (1, 0), (0.3, 1), (-0.7, -0.7), (-1, 0), (0, -1),
                                 (-0.7, 0.7), (0.7, -0.7))]
        x, y, _ = min(offers, key=lambda offer: 10 * offer[2] + covered(
            (offer[0], offer[1], offer[0] + wide, offer[1] + tall), boxes, markers, size))
        boxes.append((x, y, x + wide, y + tall))
    return [(x, y) for x, y, _, _ in boxes]


def covered(box, boxes, markers, size: tuple[float, float]) -> float:
    """How much a label at a box would cover, or stand out of the size; 0 for a free place."""
    left, low, right, high = box
    count = sum(left - 0.06 < x < right + 0.06 and low - 0.06 < y < high + 0.06
                for x, y in markers)
    count += sum(50 for a, b, c, d in boxes
                 if left < c + 0.05 and a < right + 0.05 and low < d + 0.03 and b < high + 0.03)
    return count + 100 * (left < 0.05 or low < 0.05 or right > size[0] or high > size[1])
