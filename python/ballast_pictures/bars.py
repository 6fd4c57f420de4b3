"""Retained bytes at one prefix length: a stacked bar a series, by the tokens they belong to."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ballast_pictures.data import Point, Series, baseline, describe, representative
from ballast_pictures.files import Unplottable
from ballast_pictures.findings import finding
from ballast_pictures.narrow import MARGIN, Column, Entry
from ballast_pictures.schema import BIASED, MODES, OF_PREFIX, REGIONS, WHOLE
from ballast_pictures.words import (BODY, FONTS, GREY, INK, NOTE, PANEL, SMALL, TERMS, TITLE, measure, save,
                    saving, title, unit, wrapped)

# Of Okabe and Ito's palette, what the modes' lines leave, so that no colour means two things; in the
# order of the regions, and more for those to come.
PALETTE = ["#E69F00", "#CC79A7", "#56B4E9", "#BDBDBD", "#E3D55B", "#B8A1D9", "#A6761D", "#8FBF8F"]
COLORS = {region: PALETTE[i % len(PALETTE)] for i, region in enumerate(REGIONS)}
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
BAR, PITCH, LENGTH = 0.62, 1.24, 7.4  # inches: a bar's height, from bar to bar, the longest bar


@dataclass
class Paper:
    """Inches from the left and from the bottom."""
    start: float  # where bars begin
    width: float
    height: float
    indent: float  # where the regions' meanings begin
    meanings: dict[str, list[str]]
    legend: float  # the top of the meanings
    notes: list[str]


def draw(path: Path, everything: list[Series], skipped: Counter, shared: dict[str, str],
         is_narrow: bool = False) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(FONTS)
    points = [representative(s) for s in everything]
    for series, point in zip(everything, points):
        if (total := sum(point.regions.values())) != point.retained:
            raise Unplottable(f"{path / 'points.csv'} contradicts itself: the regions of "
                              f"{series.label} make {total:,} bytes, not {point.retained:,}")
    present = [r for r in REGIONS if any(p.regions[r] for p in points)]
    names = [(s.label, in_words(s, p)) for s, p in zip(everything, points)]
    results = [result(s, p, baseline(s, everything)) for s, p in zip(everything, points)]
    scale = LENGTH / max(max(p.retained for p in points), 1)

    headline, shape = title(shared, finding(everything))
    ends = [p.retained * scale + 0.15 + max(
        measure(line, BODY if i == 0 else SMALL, i == 0) for i, line in enumerate(lines))
        for p, lines in zip(points, results)]
    paper = sheet(names, ends, (headline, shape), explained(present, shared),
                  caption(everything, points, skipped))
    # One panel as large as the figure.
    figure = plt.figure(figsize=(paper.width, paper.height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, paper.width), ylim=(0, paper.height))
    axes.axis("off")
    axes.text(0.35, paper.height - 0.22, headline, fontsize=TITLE, weight="bold", va="top")
    axes.text(0.35, paper.height - 0.60, shape, fontsize=SMALL, color=GREY, va="top", linespacing=1.4)
    axes.text(paper.start, paper.height - 1.45, "Retained at the boundary, bytes", fontsize=PANEL,
              weight="bold", va="center")
    for row, (point, name, lines) in enumerate(zip(points, names, results)):
        middle = paper.height - 1.55 - PITCH * (row + 1) + BAR / 2 + 0.12
        bar(axes, paper, middle, {r: point.regions[r] for r in present if point.regions[r]}, scale,
            name, lines)
    legend(axes, paper)
    save(figure, path)
    if is_narrow:
        narrow(path, list(zip(points, names, results)), (headline, shape),
               explained(present, shared), caption(everything, points, skipped))


def narrow(path: Path, drawn: list[tuple[Point, tuple[str, str], list[str]]],
           titles: tuple[str, str], meanings: dict[str, str], notes: list[str]) -> None:
    """Every series' name above its bar, and its numbers below."""
    from matplotlib.patches import Rectangle

    column = Column(*titles)
    column.say("Retained at the boundary, bytes", PANEL, "black", bold=True)
    for point, name, lines in drawn:
        column.say(name[0], BODY, "black", bold=True)
        if name[1]:
            column.say(name[1])
        column.panel("", 0.34, left=0, right=MARGIN, below=0.02)
        parts = [f"{region} {bytes_:,}" for region in meanings if (bytes_ := point.regions[region])]
        total = ", ".join(line.rstrip(",") for line in lines)
        column.say(f"{' + '.join(parts)} = {total}", SMALL, INK)
    column.key([Entry(region, text, COLORS[region]) for region, text in meanings.items()])
    for note in notes:
        column.say(note)
    figure, panels = column.build()
    most = max(max(point.retained for point, _, _ in drawn), 1)
    for axes, (point, _, _) in zip(panels, drawn):
        axes.set(xlim=(0, most), ylim=(0, 1))
        axes.axis("off")
        x = 0
        for region in meanings:
            axes.add_patch(Rectangle((x, 0), point.regions[region], 1, color=COLORS[region],
                                     linewidth=0))
            x += point.regions[region]
    column.save(figure, path, "retained")


def sheet(names: list[tuple[str, str]], ends: list[float], titles: tuple[str, str],
          meanings: dict[str, str], notes: list[str]) -> Paper:
    """A sheet that holds bars with what stands at their ends, the titles, and the notes."""
    start = 0.35 + max(max(measure(a, BODY, True), measure(b, SMALL)) for a, b in names) + 0.3
    width = max(start + max(ends) + 0.35, measure(titles[0], TITLE, True) + 0.7,
                *(measure(line, BODY) + 0.7 for line in titles[1].split("\n")))
    indent = 0.35 + 0.28 + max((measure(r, SMALL, True) for r in meanings), default=0) + 0.2
    broken = {r: wrapped(text, SMALL, width - indent - 0.35) for r, text in meanings.items()}
    lines = [line for note in notes for line in wrapped(note, SMALL, width - 0.7)]
    top = 0.2 + NOTE * len(lines) + 0.05 + 0.28 * sum(map(len, broken.values()))
    return Paper(start, width, top + 0.4 + PITCH * len(names) + 1.55, indent, broken, top, lines)


def bar(axes, paper: Paper, middle: float, regions: dict[str, int], scale: float,
        name: tuple[str, str], lines: list[str]) -> None:
    """One series: its name, its bytes by region, and what stands at the end."""
    from matplotlib.patches import Rectangle

    start = paper.start
    axes.text(start - 0.2, middle, name[0], fontsize=BODY, weight="bold", ha="right",
              va="bottom" if name[1] else "center")
    axes.text(start - 0.2, middle - 0.03, name[1], fontsize=SMALL, color=GREY, ha="right", va="top")
    x, outside = start, []
    for region, bytes_ in regions.items():
        long = bytes_ * scale
        axes.add_patch(Rectangle((x, middle - BAR / 2), long, BAR, color=COLORS[region],
                                 linewidth=0))
        if x > start:
            axes.plot([x, x], [middle - BAR / 2, middle + BAR / 2], color="white",
                      linewidth=0.8, solid_capstyle="butt")
        number = f"{bytes_:,}"
        if max(measure(region, SMALL), measure(number, BODY, True)) + 0.16 <= long:
            axes.text(x + long / 2, middle + 0.03, region, fontsize=SMALL, color=INK,
                      ha="center", va="bottom")
            axes.text(x + long / 2, middle - 0.03, number, fontsize=BODY, weight="bold",
                      color=INK, ha="center", va="top")
        else:
            outside.append((x + long / 2, region, number))
        x += long
    above(axes, outside, start, paper.width - 0.35, middle + BAR / 2)
    axes.plot([start, start], [middle - BAR / 2 - 0.1, middle + BAR / 2 + 0.1], color=GREY,
              linewidth=1)
    for i, line in enumerate(lines):
        axes.text(x + 0.15, middle + 0.23 * ((len(lines) - 1) / 2 - i), line, va="center",
                  fontsize=BODY if i == 0 else SMALL, weight="bold" if i == 0 else "normal",
                  color="black" if i == 0 else INK)


def legend(axes, paper: Paper) -> None:
    """What the regions mean, and the notes below."""
    from matplotlib.patches import Rectangle

    y = paper.legend
    for region, text in paper.meanings.items():
        axes.add_patch(Rectangle((0.35, y - 0.07), 0.16, 0.14, color=COLORS[region], linewidth=0))
        axes.text(0.35 + 0.28, y, region, fontsize=SMALL, weight="bold", va="center_baseline")
        for line in text:
            axes.text(paper.indent, y, line, fontsize=SMALL, color=INK, va="center_baseline")
            y -= 0.28
    for i, note in enumerate(reversed(paper.notes)):
        axes.text(0.35, 0.14 + NOTE * i, note, fontsize=SMALL, color=GREY)


def above(axes, labels, low: float, high: float, edge: float) -> None:
    """The labels of parts too narrow to hold them, above the bar, apart, joined to their part."""
    widths = [measure(name + " ", SMALL) + measure(number, BODY, True) for _, name, number in labels]
    places = []
    for (middle, _, _), long in zip(labels, widths):
        places.append(max(middle - long / 2, low))
        low = places[-1] + long + 0.18
    for i in reversed(range(len(places))):
        places[i] = min(places[i], high - widths[i])
        high = places[i] - 0.18
    for i, ((middle, name, number), place, long) in enumerate(zip(labels, places, widths)):
        turn = min(max(middle, place + 0.1), place + long - 0.1)
        # Each bends at a height of its own, so that no two of them meet.
        bend = edge + 0.05 + 0.04 * (len(labels) - 1 - i if turn > middle else i)
        axes.plot([middle, middle, turn, turn], [edge, bend, bend, edge + 0.2],
                  color=GREY, linewidth=0.8, solid_joinstyle="miter")
        axes.text(place, edge + 0.24, name, fontsize=SMALL, color=INK, va="baseline")
        axes.text(place + measure(name + " ", SMALL), edge + 0.24, number, fontsize=BODY, color=INK,
                  weight="bold", va="baseline")


def in_words(series: Series, point: Point) -> str:
    """What the mode does, below its name."""
    kept = series.unbiased_up_to
    aside = f", its last {f'{kept:,} rows' if kept > 1 else 'row'} aside" if kept else ""
    words = MODES[series.mode]["meaning"] + aside if series.mode in MODES else ""
    return words + ("; computed from shapes" if words else "computed from shapes") * point.is_shape


def result(series: Series, point: Point, whole: Series | None) -> list[str]:
    """What stands at a bar's end: its bytes, then the saving and the gradient that it costs."""
    total = f"{point.retained:,} bytes"
    if point.retained >= 2**20:
        name, size = unit(point.retained)
        total += f" ({point.retained / size:,.1f} {name})"
    note = series.gradient_note(at=point.n_c)
    share = saving(point.retained, representative(whole).retained if whole else 0)
    if whole is series or not share or "not measured" in note:
        return [total, note]
    return [total, f"{share} against {WHOLE},", note]


def explained(present: Iterable[str], shared: dict[str, str]) -> dict[str, str]:
    """The regions in plain words."""
    def count(column: str, word: str) -> str:
        # The column has those of one sequence, and of different lengths the longest.
        is_one = all(shared.get(c) in ("1", "") for c in ("batch", "suffixes"))
        value = shared.get(column, "") if is_one and shared.get("lengths") == "" else ""
        return f"the {int(value):,} {word} token{'s' * (value != '1')}" if value else \
            f"the {word} tokens"

    tokens = {"n_c": count("n_c", "prefix"), "n_g": count("n_g", "generated")}
    texts = {r: REGIONS[r]["meaning"].format(**tokens) for r in present}
    if shared.get("loss_rows") == "next-token":
        texts |= {r: text + " (the last one's row predicts the first generated token; its logits count "
                  "here)" for r, text in texts.items() if "{n_c}" in REGIONS[r]["meaning"]}
    return texts


def caption(everything: list[Series], points: list[Point], skipped: Counter) -> list[str]:
    """Sentences below the picture: what is left of a detached prefix, what the words mean."""
    notes = []
    for series, point in zip(everything, points):
        key = series.key
        element = ELEMENT_BYTES.get(key["dtype"], 0)
        sizes = [int(size) if (size := key[c]).isascii() and size.isdigit() else 0
                 for c in ("kv_heads", "d_head", "layers")]
        keys = 2 * math.prod(sizes) * element * point.prefix_tokens
        if series.mode in BIASED and 0 < keys == point.regions[OF_PREFIX[0]]:
            notes.append(f"What {series.label} still keeps for the prefix, {keys:,} bytes, are the "
                         "keys and values that the generated tokens attend to.")
    notes.append(TERMS)
    apart = [s.label for s, p in zip(everything, points)
             if any(q.retained != p.retained for q in s.points)]
    if apart:
        notes.append(f"Of several differing points of {', '.join(apart)} the largest is drawn, "
                     "a measured one before one computed from shapes.")
    if skipped:
        notes.append(f"Rows left out because they are not ok: {describe(skipped)}.")
    return notes
