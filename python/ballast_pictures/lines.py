"""Retained bytes over the prefix length: a line a series, its law beside it."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ballast_pictures.data import Point, Series, baseline, describe
from ballast_pictures.findings import finding
from ballast_pictures.looks import direct, styles
from ballast_pictures.narrow import Column, Entry, plain
from ballast_pictures.schema import WHOLE
from ballast_pictures.words import (
    FONTS, GREY, NOTE, PANEL, SMALL, TERMS, TITLE, against, figures, in_units, measure, save, title,
    unit, wrapped)

PANEL_HEIGHT = 4.7  # inches
SHORT = 16  # prefixes below this are left out of the panel "for each prefix token"


@dataclass
class Paper:
    """Inches from the left and from the bottom; what stands right of the labels moves with them."""
    width: float
    height: float
    second: float  # where the right panel begins
    bottom: float  # of both panels
    notes: list[str]

    def panel(self, figure, start: float, end: float):
        return figure.add_axes((start / self.width, self.bottom / self.height,
                                (end - start) / self.width, PANEL_HEIGHT / self.height))


@dataclass
class Beside:
    """What the right panel shows: peaks, or what an average prefix token costs."""
    peaks: bool
    name: str
    size: int
    shortest: int

    def value(self, point: Point) -> float:
        return (point.peak if self.peaks else per_token(point) * 2**10) / self.size

    def points(self, series: Series) -> list[Point]:
        if self.peaks:
            return series.points
        return [p for p in with_prefix(series) if p.n_c >= self.shortest]

    def line(self, axes, series: Series, shown: list[Point], look: dict) -> None:
        if self.peaks:
            axes.plot([p.n_c for p in shown], [self.value(p) for p in shown], **look)
        else:
            law = series.prefix_law
            curve(axes, [p for p in series.regime if p in shown], law, self.value,
                  lambda n: law(n) / (n * series.prompts) / self.size, look)


def draw(path: Path, everything: list[Series], skipped: Counter, shared: dict[str, str],
         is_narrow: bool = False) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(FONTS)
    headline, shape = title(shared, finding(everything, shows_peaks(everything)))
    paper = sheet(everything, skipped, headline)
    figure = plt.figure(figsize=(paper.width, paper.height))
    margin = 0.35 / paper.width
    figure.text(margin, 1 - 0.22 / paper.height, headline, fontsize=TITLE, weight="bold", va="top")
    figure.text(margin, 1 - 0.66 / paper.height, shape, fontsize=SMALL, color=GREY, va="top",
                linespacing=1.4)

    left = paper.panel(figure, 0.95, 6.25)
    right = paper.panel(figure, paper.second, paper.width - 0.85)
    chosen, beside = styles(everything), right_panel(everything)
    longest = longest_prefix(everything)
    ends = [end(series, longest) for series in everything]  # of the left panel's lines, in bytes
    name, size = unit(max(y for _, y in ends))
    values = fill(left, right, everything, beside)
    texts = (f"Retained at the boundary, {name}", right_title(everything))
    for axes, text in zip((left, right), texts):
        axes.set_title(text, loc="left", fontsize=PANEL, weight="bold")

    # Direct labels beside the lines' ends, moved apart where they would touch.
    names = [(s.label, s.gradient_note()) for s in everything]
    direct(left, [(x, y / size) for x, y in ends], names, chosen, gap=0.115)
    direct(right, [line[-1] if line else None for line in values],
           [(figures(line[-1][1]) if line else "", "") for line in values], chosen, gap=0.055)

    for line, note in enumerate(reversed(paper.notes)):
        figure.text(margin, (0.14 + NOTE * line) / paper.height, note, fontsize=SMALL, color=GREY)
    save(figure, path)
    if is_narrow:
        narrow(path, everything, skipped, (headline, shape))


def narrow(path: Path, everything: list[Series], skipped: Counter, titles: tuple[str, str]) -> None:
    """The panels below each other."""
    name, _ = unit(max(y for _, y in (end(s, longest_prefix(everything)) for s in everything)))
    column = Column(*titles)
    column.panel(f"Retained at the boundary, {name}", 2.6)
    column.panel(right_title(everything), 2.6)
    column.key([Entry(s.label, s.gradient_note(), *look)
                for s, look in zip(everything, styles(everything))])
    for note in caption(everything, skipped, "Lower panel"):
        column.say(note)
    figure, (left, right) = column.build()
    fill(left, right, everything, right_panel(everything))
    for axes in (left, right):
        plain(axes)
    column.save(figure, path, "retained")


def fill(left, right, everything: list[Series], beside: Beside) -> list[list[tuple[int, float]]]:
    """Lines, markers and axes of both panels; gives the right one's values."""
    longest = longest_prefix(everything)
    ends = [end(series, longest) for series in everything]
    _, size = unit(max(y for _, y in ends))
    values = plot(left, right, everything, styles(everything), size, beside, longest)
    for axes in (left, right):
        prefix_axis(axes, everything, longest)
    left.set_ylim(0, max(max(y for _, y in ends), 1) / size * 1.06)
    right_axis(right, beside, values)
    return values


def sheet(everything: list[Series], skipped: Counter, headline: str) -> Paper:
    """A sheet that holds the labels and the notes."""
    wide = max(0.116 * len(s.label) for s in everything)
    wide = max(wide, max(0.098 * len(s.gradient_note()) for s in everything))
    second = 6.6 + wide + 0.85
    width = max(second + 5.1, measure(headline, TITLE, True) + 0.7)
    notes = [line for note in caption(everything, skipped)
             for line in wrapped(note, SMALL, width - 0.7)]
    bottom = NOTE * len(notes) + 0.2 + 0.75
    return Paper(width, bottom + PANEL_HEIGHT + 1.55, second, bottom, notes)


def right_panel(everything: list[Series]) -> Beside:
    peaks = shows_peaks(everything)
    name, size = unit(max(p.peak for s in everything for p in s.points)) if peaks else ("KiB", 2**10)
    return Beside(peaks, name, size, shortest_shown(everything))


def is_whole(law) -> bool:
    """Whether a law holds for all of a series, and was checked."""
    return bool(law and law.holds and law.checked)


def end(series: Series, longest: int) -> tuple[int, float]:
    """Where a series' line ends on the left: at the longest prefix where its law reaches it."""
    law = series.retained_law
    if is_whole(law):
        return longest, float(law(longest))
    return series.points[-1].n_c, series.points[-1].retained


def plot(left, right, everything: list[Series], chosen, size: int, beside: Beside,
         longest: int) -> list[list[tuple[int, float]]]:
    """Both panels' lines and markers; gives the right one's values."""
    values = []
    for index, (series, (color, marker, dash)) in enumerate(zip(everything, chosen)):
        # Later lines are thinner and their markers smaller, so that equal ones show both.
        share = index / (len(everything) - 1)
        look = dict(color=color, linestyle=dash, linewidth=3.4 - 1.8 * share, zorder=10 + index)
        law = series.retained_law
        curve(left, series.regime, law, lambda p: p.retained / size, lambda n: law(n) / size, look)
        if is_whole(law) and series.points[-1].n_c < longest:
            beyond = [Fraction(longest - series.points[-1].n_c, 50) * i + series.points[-1].n_c
                      for i in range(51)]
            left.plot([float(n) for n in beyond], [float(law(n) / size) for n in beyond],
                      color=color, linewidth=1, linestyle=":", zorder=10 + index)
        shown = beside.points(series)
        beside.line(right, series, shown, look)
        values.append([(p.n_c, beside.value(p)) for p in shown])
        for points, axes, value in (
                (series.points, left, lambda p: p.retained / size), (shown, right, beside.value)):
            for hollow in (False, True):
                some = [p for p in points if p.is_shape == hollow]
                axes.plot([p.n_c for p in some], [value(p) for p in some], linestyle="none",
                          marker=marker, markersize=11 - 5 * share, color=color,
                          zorder=40 + index, markerfacecolor="white" if hollow else color,
                          markeredgecolor=color if hollow else "white", clip_on=False)
    return values


def prefix_axis(axes, everything: list[Series], longest: int) -> None:
    """Ticks, grid and name of an axis of prefix lengths."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    axes.set_xlim(0, longest)
    axes.set_xlabel(
        "n_c of the longest prompt of a batch, tokens" if any(s.key["lengths"] for s in everything)
        else "prefix length n_c, tokens", color=GREY)
    axes.xaxis.set_major_locator(
        MultipleLocator(longest // 4) if longest % 4 == 0 else MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def right_axis(axes, beside: Beside, values: list[list[tuple[int, float]]]) -> None:
    """Scale of the right panel: logarithmic where one line would flatten the others."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    flat = [y for line in values for _, y in line] or [1.0]
    if is_logarithmic(beside, flat):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(min(flat) / 1.5, max(flat) * 1.5)
    else:
        axes.set_ylim(0, max(flat) * 1.1)


def is_logarithmic(beside: Beside, values: list[float]) -> bool:
    return not beside.peaks and max(values) > 8 * min(values)


def right_title(everything: list[Series]) -> str:
    beside = right_panel(everything)
    flat = [beside.value(p) for series in everything for p in beside.points(series)] or [1.0]
    scale = ", log scale" if is_logarithmic(beside, flat) else ""
    return (f"Peak of the step, {beside.name}" if beside.peaks
            else f"Average prefix token, KiB{scale}")


def shows_peaks(everything: list[Series]) -> bool:
    """Whether two series keep the same bytes and differ in their peaks, which then are shown."""
    def of(series: Series, value) -> dict[int, int]:
        return {p.n_c: value(p) for p in series.points}

    if not all(p.peak for s in everything for p in s.points):
        return False
    return any(of(a, lambda p: p.retained) == of(b, lambda p: p.retained)
               and of(a, lambda p: p.peak) != of(b, lambda p: p.peak)
               for i, a in enumerate(everything) for b in everything[:i])


def with_prefix(series: Series) -> list[Point]:
    """The points that have something to show for each prefix token."""
    return [p for p in series.points if p.n_c > 0 and p.of_prefix > 0]


def shortest_shown(everything: list[Series]) -> int:
    """The first n_c of the right panel: what does not grow with the prefix would dwarf the rest."""
    long = any(p.n_c >= SHORT for s in everything for p in with_prefix(s))
    return SHORT if long else 0


def per_token(point: Point) -> float:
    """KiB of the prefix and crossing regions for each prefix token."""
    return point.of_prefix / point.prefix_tokens / 2**10


def curve(axes, points, law, measured, computed, look) -> None:
    """The law as a line where it holds; else the points joined by a faint one."""
    if len(points) < 2:
        return
    if law is None or not law.holds:
        axes.plot([p.n_c for p in points], [measured(p) for p in points],
                  **{**look, "linewidth": 1, "alpha": 0.5, "linestyle": ":"})
        return
    first, last = points[0].n_c, points[-1].n_c
    steps = [first + Fraction(last - first, 200) * i for i in range(201)]
    axes.plot([float(n) for n in steps], [float(computed(n)) for n in steps], **look)


def rows(everything: list[Series]) -> list[list[str]]:
    """The laws as a table of texts, and at one prefix length what each saves, and its gradient."""
    wholes = [s for s in everything if s.mode == WHOLE]
    length = max((p.n_c for s in (wholes or everything) for p in s.points), default=0)
    found = [["", "retained bytes", f"at n_c = {length:,}",
              f"against {WHOLE}" if wholes else "gradient"],
             ["---", "---", "---:", "---"]]
    for series in everything:
        here = next((p.retained for p in series.points if p.n_c == length), None)
        found.append([series.label, law_text(series),
                      "not measured" if here is None else in_units(here),
                      against(series, baseline(series, everything), length)])
    return found


def law_text(series: Series) -> str:
    law = series.retained_law
    if law is None:
        return "no law in laws.csv"
    if not law.holds:
        return f"no exact law: off by {float(law.worst[0]):,.0f} bytes at n_c = {law.worst[1]:,}"
    return str(law) + ("" if law.checked else "  (no point to check it)")


def caption(everything: list[Series], skipped: Counter, right: str = "Right") -> list[str]:
    """Sentences below the picture: what is drawn, and what departs from it."""
    laws = [s.retained_law for s in everything]
    checked = sum(law.checked for law in laws if law and law.holds)
    kinds = {p.is_shape for s in everything for p in s.points}
    text = {frozenset([False]): "Markers are measured points",
            frozenset([True]): "Hollow markers are points computed from shapes alone",
            }.get(frozenset(kinds), "Filled markers are measured, hollow ones computed from shapes")
    if any(law and law.holds for law in laws):
        text += f"; lines are the laws in laws.csv, met to the byte by all {checked} points"
    if any(law and law.holds and law.checked and s.points[-1].n_c < longest_prefix(everything)
           for s, law in zip(everything, laws)):
        text += " (dotted: beyond the longest that ran)"
    peaks = shows_peaks(everything)
    by = "n_c" if all(s.prompts == 1 for s in everything) else "the prefix tokens of all sequences"
    if by != "n_c" and any(s.key["sharing"] == "prefix" for s in everything):
        by += " (a shared prompt's once)"
    text += (f". {right}: the most that activations and their gradients held at once" if peaks
             else f". {right}: bytes of the prefix and crossing regions, divided by {by}")
    if peaks:
        text += ", joined by straight lines"
    elif any(s.prefix_law is None and len(s.regime) > 1 for s in everything):
        text += ", joined by dotted lines where laws.csv has no law of them"
    notes = [text + "."]
    if lawless := [f"{s.label} has {law_text(s)}" for s, law in zip(everything, laws)
                   if not (law and law.holds)]:
        notes.append(f"Joined by dotted lines: {'; '.join(lawless)}.")
    shortest = shortest_shown(everything)
    if not peaks and any(p.n_c < shortest for s in everything for p in with_prefix(s)):
        fixed = ("the logits of the last prefix row, which carries loss, weigh"
                 if any(s.key["loss_rows"] == "next-token" for s in everything)
                 else "what does not grow with the prefix weighs")
        notes.append(f"{right}: points with n_c < {SHORT} are left out; {fixed} too much there.")
    notes.append(TERMS)
    apart = [abs(int(p.retained - law(0))) for s, law in zip(everything, laws)
             if law and law.holds and law.start == 1 for p in s.points if p.n_c == 0]
    if any(apart):
        notes.append("At n_c = 0 there is one loss row less (n_g − 1): those points lie up to "
                      f"{max(apart):,} bytes off the laws.")
    if any(0 < p.n_c < s.stored.start for s in everything if s.stored for p in s.points):
        notes.append("Where the whole prefix is kept (n_c < keep_prefix) nothing is detached, and "
                     "another law holds: those points are markers alone.")
    if skipped:
        notes.append(f"Rows left out because they are not ok: {describe(skipped)}.")
    return notes


def longest_prefix(everything: list[Series]) -> int:
    return max(p.n_c for s in everything for p in s.points)
