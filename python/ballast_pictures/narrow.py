"""Pictures for a phone: one column, the legend below, letters of 11 px or more at 390 px."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ballast_pictures.words import (
    BODY, FONTS, GREY, INK, NOTE, PANEL, SMALL, save_narrow, wrapped)

WIDTH, MARGIN = 5.0, 0.12  # inches; at 144 dots an inch two dots a CSS px of a page of 390 px
TITLE = 15.0  # points
INNER = WIDTH - 2 * MARGIN
SAMPLE, INDENT = 0.62, 0.76  # inches: a legend's piece of a line, and where its text begins


@dataclass
class Entry:
    """What a line or a bar of a legend is called, and what else is said of it."""
    name: str
    more: str = ""
    color: str = INK
    marker: str = "s"
    dash: Any = "none"


@dataclass
class Panel:
    """Inches: how tall, and what its ticks take on the left, right and below."""
    title: str
    tall: float
    left: float
    right: float
    below: float


@dataclass
class Text:
    lines: list[str]
    size: float
    color: str
    weight: str
    pitch: float


@dataclass
class Column:
    """Blocks below each other; `build` makes the figure, and the panels' axes in their order."""
    title: str
    under: str = ""
    blocks: list[Text | Panel | Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.say(self.title, TITLE, "black", bold=True)
        for line in filter(None, self.under.split("\n")):
            self.say(line)

    def say(self, text: str, size: float = SMALL, color: str = GREY, bold: bool = False) -> None:
        """A text in as many lines as it takes."""
        lines = wrapped(text, size, INNER, bold)
        self.blocks.append(Text(lines, size, color, "bold" if bold else "normal",
                                NOTE * size / SMALL * (1.0 if size == SMALL else 0.92)))

    def panel(self, title: str, tall: float, left: float = 0.6, right: float = 0.3,
              below: float = 0.56) -> None:
        """Room for axes, with a title above."""
        if title:
            self.say(title, PANEL, "black", bold=True)
        self.blocks.append(Panel(title, tall, left, right, below))

    def key(self, entries: Sequence[Entry]) -> None:
        """The legend: an entry below the other."""
        self.blocks.extend(entries)

    def build(self) -> tuple[Any, list[Any]]:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        plt.rcParams.update(FONTS)
        placed = list(self.places())
        height = placed[-1][1] + tall(placed[-1][0]) + MARGIN
        figure = plt.figure(figsize=(WIDTH, height))
        sheet = figure.add_axes((0, 0, 1, 1))
        sheet.set(xlim=(0, WIDTH), ylim=(height, 0))
        sheet.axis("off")
        found = []
        for block, top in placed:
            match block:
                case Text():
                    for row, line in enumerate(block.lines):
                        sheet.text(MARGIN, top + row * block.pitch, line, fontsize=block.size,
                                   color=block.color, weight=block.weight, va="top")
                case Panel():
                    wide = WIDTH - MARGIN - block.left - block.right
                    found.append(figure.add_axes((
                        (MARGIN + block.left) / WIDTH, 1 - (top + block.tall) / height,
                        wide / WIDTH, block.tall / height)))
                case Entry():
                    write(sheet, block, top)
        return figure, found

    def places(self) -> Iterator[tuple[Text | Panel | Entry, float]]:
        """Each block and its top, in inches from the figure's."""
        y, before = MARGIN, None
        for block in self.blocks:
            if before is not None:
                y += tall(before) + gap(before, block)
            yield block, y
            before = block

    def save(self, figure: Any, path: Path, name: str) -> None:
        save_narrow(figure, path, name)


def tall(block: Text | Panel | Entry) -> float:
    match block:
        case Text():
            return block.pitch * len(block.lines)
        case Panel():
            return block.tall + block.below
    return 0.02 + NOTE * (len(names(block)) + len(more(block)))


def gap(before: Text | Panel | Entry, block: Text | Panel | Entry) -> float:
    if isinstance(before, Text) and isinstance(block, Text):
        return 0.05 if block.size == SMALL else 0.16
    return 0.06 if isinstance(before, type(block)) or isinstance(block, Panel) else 0.14


def names(entry: Entry) -> list[str]:
    return wrapped(entry.name, BODY, INNER - INDENT, bold=True)


def more(entry: Entry) -> list[str]:
    return wrapped(entry.more, SMALL, INNER - INDENT) if entry.more else []


def write(sheet: Any, entry: Entry, top: float) -> None:
    """A piece of the line, or a square of the colour, and the texts right of it."""
    middle = top + 0.13
    if entry.dash == "none":
        sheet.plot([MARGIN + SAMPLE / 2], [middle], marker=entry.marker, color=entry.color,
                   markersize=10, linestyle="none")
    else:
        sheet.plot([MARGIN, MARGIN + SAMPLE], [middle, middle], color=entry.color,
                   linestyle=entry.dash, linewidth=2)
        sheet.plot([MARGIN + SAMPLE / 2], [middle], marker=entry.marker, color=entry.color,
                   markersize=7, markeredgecolor="white")
    for line in names(entry):
        sheet.text(MARGIN + INDENT, middle, line, fontsize=BODY, weight="bold", color=INK,
                   va="center_baseline")
        middle += NOTE
    for line in more(entry):
        sheet.text(MARGIN + INDENT, middle, line, fontsize=SMALL, color=GREY, va="center_baseline")
        middle += NOTE


def plain(axes: Any) -> None:
    """A grid, few ticks, and no marks at them."""
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=5, labelsize=SMALL)
