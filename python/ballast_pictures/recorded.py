"""A recorded step over its lengths: what `ballast sweep --recording` and `ballast plan --recording` say."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ballast_pictures.files import Unplottable, has_columns, shown, table, text_of
from ballast_pictures.looks import direct
from ballast_pictures.narrow import Column, Entry, plain
from ballast_pictures.words import BODY, FONTS, GREY, NOTE, SMALL, TITLE, save

GIB = 2**30
POINTS = ["model", "n_c", "n_g", "batch", "status", "retained_bytes", "peak_allocated_bytes",
          "peak_reserved_bytes"]
PLANS = ["file", "model", "gpu", "memory_bytes", "solves", "fits", "n_c", "n_g", "batch", "ended_by",
         "tensors_fit_until", "expandable_segments_fit"]
_NAMES = {"n_c": "longest prompt, tokens", "n_g": "longest answer, tokens", "batch": "largest batch"}

# What is drawn of a sweep: column, name, colour, marker, dash.
FIGURES = [("peak_reserved_bytes", "reserved by the allocator", "#D55E00", "^", (0, (6, 2))),
           ("peak_allocated_bytes", "allocated at the peak", "#0072B2", "s", "-"),
           ("retained_bytes", "retained for backward", "#000000", "o", "-")]
COLORS = ["#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F"]
MOST_LINES = len(COLORS)


# A line's end, its two texts, and its colour, marker and dash.
Drawn = tuple[Sequence[float], tuple[str, str], tuple[Any, ...]]


@dataclass
class Answer:
    """What fits one memory, in GiB: as the allocator is set, and with segments that grow."""
    memory: float
    gpu: str
    fits: int | None
    expandable: int | None
    is_end_of_laws: bool


def is_sweep(folder: Path) -> bool:
    """Whether a folder's points are those of one recorded step at several lengths."""
    try:
        rows = list(csv.DictReader(io.StringIO(text_of(folder / "points.csv"), newline="")))
    except (FileNotFoundError, Unplottable, csv.Error):
        return False
    return len({row.get("n_c") for row in rows}) > 1 and all(
        row.get("peak_allocated_bytes") for row in rows if row.get("status") == "ok") and len(
        {(row.get("model"), row.get("n_g"), row.get("batch"), row.get("mode")) for row in rows}) == 1


def is_plan(path: Path) -> bool:
    """Whether the header of a CSV file is that of a recorded step's plan."""
    return has_columns(path, {"solves", "tensors_fit_until"})


def number(text: str, where: str) -> int:
    """A whole number of a file."""
    try:
        return int(text)
    except (TypeError, ValueError):
        raise Unplottable(f"{where} holds a figure that is none") from None


# A sweep.


def draw_sweep(folder: Path, is_narrow: bool = False) -> None:
    """Draws retained, allocated and reserved bytes over the prompt."""
    path = folder / "points.csv"
    rows = [row for row in table(path, POINTS, "ballast sweep --recording") if row["status"] == "ok"]
    if not rows:
        raise Unplottable(f"{path} holds no point that has figures")
    rows.sort(key=lambda row: number(row["n_c"], str(path)))
    lengths = [number(row["n_c"], str(path)) for row in rows]

    def fill(axes: Any) -> list[Drawn]:
        return over_prompt(axes, rows, lengths, str(path))

    last = rows[-1]
    peaks = [number(row["peak_allocated_bytes"], str(path)) / GIB for row in (rows[0], last)]
    name = shown(Path(last["model"]).name)
    show(fill, (f"{peaks[0]:,.1f} GiB at {lengths[0]:,} prompt tokens, {peaks[1]:,.1f} at "
                f"{lengths[-1]:,}" if len(rows) > 1 else
                f"{peaks[1]:,.1f} GiB at {lengths[-1]:,} prompt tokens"),
         f"{name}, n_g {number(last['n_g'], str(path)):,}, batch "
         f"{last['batch']}: a training step as PyTorch's allocator has it",
         ["Retained: what backward needs when it begins, parameters aside. Allocated: the most "
          "that tensors have at once.",
          "Reserved: what the allocator then has of the GPU, where there is memory enough."],
         folder, "peaks", is_narrow, where="at {:,} tokens".format)


def over_prompt(axes: Any, rows: list[dict[str, str]], lengths: list[int],
                path: str) -> list[Drawn]:
    """A line for each figure that all rows have."""
    from matplotlib.ticker import FuncFormatter

    drawn: list[Drawn] = []
    for column, name, color, marker, dash in FIGURES:
        if not all(row[column] for row in rows):
            continue
        sizes = [number(row[column], path) / GIB for row in rows]
        axes.plot(lengths, sizes, color=color, marker=marker, linestyle=dash, linewidth=2)
        drawn.append(((lengths[-1], sizes[-1]), (name, f"{sizes[-1]:,.2f} GiB"), (color, marker, dash)))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.set_xlabel("prompt, tokens", color=GREY)
    axes.set_ylabel("GiB", color=GREY)
    return drawn


# A plan.


def read(path: Path) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    """The answers of each recording by memory, and a row's other values."""
    rows = table(path, PLANS, "ballast plan --recording --format csv")
    if not rows:
        raise Unplottable(f"{path} holds no row")
    if not all(row["memory_bytes"] for row in rows):
        raise Unplottable(f"{path} is about no memory; make it with ballast plan --recording FILE "
                          "--memory 24GiB,80GiB --format csv")
    if len({row["solves"] for row in rows}) != 1 or not rows[0]["solves"]:
        raise Unplottable(f"{path} holds no answers about one length; it needs a recording with laws, "
                          "as ballast-probe fit makes it")
    lines: dict[str, list[Answer]] = {}
    for place, row in enumerate(rows, start=2):
        where, solves = f"{path}:{place}", row["solves"]

        def optional(name: str) -> int | None:
            return number(row[name], where) if row[name] else None

        lines.setdefault(row["file"], []).append(Answer(
            number(row["memory_bytes"], where) / GIB, shown(row["gpu"]),
            optional(solves) if row["fits"] == "yes" else None, optional("expandable_segments_fit"),
            row["ended_by"] != "memory"))
    for answers in lines.values():
        answers.sort(key=lambda one: one.memory)
    if len(lines) > MOST_LINES:
        raise Unplottable(f"{path} is about {len(lines)} recordings, and a picture holds {MOST_LINES}")
    return lines, rows[0]


def draw_plan(path: Path, is_narrow: bool = False) -> None:
    """Draws the longest prompt, or the largest batch, over memory."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    lines, row = read(path)
    if not any(answer.fits is not None for answers in lines.values() for answer in answers):
        raise Unplottable(f"{path}: in none of its memories does the step fit")
    has_gpus = len({one.gpu for answers in lines.values() for one in answers}) > 1

    def fill(axes: Any) -> list[Drawn]:
        return over_memory(axes, lines, row, has_gpus)

    def brief(axes: Any) -> None:
        axes.xaxis.set_major_locator(FixedLocator(apart(sorted(names), 1.25)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.3g}"))
        for tick in axes.get_xticklabels():
            tick.set(rotation=0, ha="center", rotation_mode="default")
        axes.set_xlabel("memory, GiB", color=GREY)

    names = {one.memory: one.gpu for answers in lines.values() for one in answers}
    listed = " · ".join(f"{gpu}: {memory:,.3g} GiB" for memory, gpu in sorted(names.items()))
    show(fill, finding(lines, row["solves"], has_gpus), subtitle(row), [
        "Each is exact: the step runs through PyTorch's allocator with that memory, and one more does not.",
        *(["Dashed: with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."]
          if any(one.expandable for answers in lines.values() for one in answers) else []),
        *(["Where the recording's laws end, more may fit."] if any(
            one.is_end_of_laws for answers in lines.values() for one in answers) else [])],
        path.parent, path.stem, is_narrow, 2.35 if has_gpus else 1.6, brief,
        [f"{listed}."] if has_gpus else [])


def over_memory(axes: Any, lines: dict[str, list[Answer]], row: dict[str, str],
                has_gpus: bool) -> list[Drawn]:
    """A line or two for each recording."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    drawn: list[Drawn] = []
    is_alone = len(lines) == 1
    for color, (name, answers) in zip(COLORS, lines.items()):
        fitting = [(one.memory, one.fits) for one in answers if one.fits is not None]
        more = [(one.memory, one.expandable or one.fits or 0) for one in answers
                if one.fits is not None or one.expandable is not None]
        if any(one.expandable for one in answers):
            axes.plot(*zip(*more), color=color, marker="s", linestyle=(0, (6, 2)), linewidth=1.6,
                      alpha=0.7)
            drawn.append((more[-1], ("expandable segments" if is_alone else "", f"{more[-1][1]:,}"),
                          (color, "s", "--")))
        if not fitting:
            continue
        axes.plot(*zip(*fitting), color=color, marker="o", linewidth=2)
        title = "as PyTorch is set" if is_alone else shown(Path(name).name or name)
        drawn.append((fitting[-1], (title, f"{fitting[-1][1]:,}"), (color, "o", "-")))
    memories = {one.memory: one.gpu for answers in lines.values() for one in answers}
    axes.set(xscale="log")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(FixedLocator(apart(sorted(memories), 1.05 if has_gpus else 1.12)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: label(x, memories if has_gpus else {})))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    if has_gpus:
        for tick in axes.get_xticklabels():
            tick.set(rotation=40, ha="right", rotation_mode="anchor", fontsize=SMALL)
    axes.set_xlabel("memory, GiB" if not has_gpus else "", color=GREY)
    axes.set_ylabel(_NAMES.get(row["solves"], row["solves"]), color=GREY)
    return drawn


def finding(lines: dict[str, list[Answer]], solves: str, has_gpus: bool) -> str:
    """From the fewest to the most, as the picture's title."""
    fitting = sorted((one for answers in lines.values() for one in answers if one.fits is not None),
                     key=lambda one: (one.fits or 0, one.memory))
    what = "sequences" if solves == "batch" else "prompt tokens"

    def told(one: Answer) -> str:
        return f"on {one.gpu}" if has_gpus else f"in {one.memory:,.3g} GiB"

    first, last = fitting[0], fitting[-1]
    if first.fits == last.fits:
        return f"{last.fits:,} {what} {told(last)}"
    return f"{first.fits:,} {what} {told(first)}, {last.fits:,} {told(last)}"


def subtitle(row: dict[str, str]) -> str:
    """The model and the lengths that are given."""
    given = [f"n_g {row['n_g']}" if row["n_g"] else "",
             f"n_c {row['n_c']}" if row["solves"] == "batch" and row["n_c"] else "",
             f"batch {row['batch']}" if row["solves"] != "batch" and row["batch"] else ""]
    return ", ".join([shown(Path(row["model"]).name), *filter(None, given)])


def apart(memories: list[float], ratio: float) -> list[float]:
    """Those whose names have room beside each other on a logarithmic axis."""
    found: list[float] = []
    for memory in reversed(memories):
        if not found or found[-1] / memory > ratio:
            found.append(memory)
    return found[::-1]


def label(memory: float, gpus: dict[float, str]) -> str:
    """A tick: the memory, and the GPUs that have it, or nearly."""
    names = [name for at, name in gpus.items() if 1 / 1.05 < at / memory <= 1.0001]
    return f"{', '.join(dict.fromkeys(names))}: {memory:,.3g} GiB" if names else f"{memory:,.3g}"


# Both.


def show(fill: Callable[[Any], list[Drawn]], title: str, under: str, notes: Sequence[str],
         folder: Path, name: str, is_narrow: bool, below: float = 1.6,
         brief: Callable[[Any], None] = lambda _: None, more: Sequence[str] = (),
         where: Callable[[float], str] = "in {:,.3g} GiB".format) -> None:
    """Writes the picture, and the narrow one that has the lines' names below."""
    figure, axes = frame(below)
    finish(figure, axes, fill(axes))
    write(figure, title, under, notes)
    save(figure, folder, name)
    if not is_narrow:
        return
    figure, axes = frame()
    drawn = fill(axes)
    label = axes.get_ylabel()
    close(figure)
    column = Column(title, under)
    column.panel(label[:1].upper() + label[1:], 3.0, left=0.68)
    column.key([Entry(first or "the same, expandable segments", f"{where(end[0])}: {second}", *look)
                for end, (first, second), look in drawn])
    for note in [*more, *notes]:
        column.say(note)
    figure, (axes,) = column.build()
    fill(axes)
    brief(axes)
    axes.set_ylabel("")
    plain(axes)
    column.save(figure, folder, name)


def close(figure: Any) -> None:
    import matplotlib.pyplot as plt

    plt.close(figure)


def frame(below: float = 1.6) -> tuple[Any, Any]:
    """A figure with room for a title above, so many inches below, and labels on the right."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(FONTS)
    width, height = 10.6, 4.3 + below
    figure = plt.figure(figsize=(width, height))
    return figure, figure.add_axes((
        1.35 / width, below / height, 5.9 / width, (height - 1.15 - below) / height))


def finish(figure: Any, axes: Any, drawn: Sequence[tuple[Any, Any, Any]]) -> None:
    """A grid, and the names beside the lines' ends."""
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.canvas.draw()
    direct(axes, [one[0] for one in drawn], [one[1] for one in drawn], [one[2] for one in drawn], 0.155)


def write(figure: Any, title: str, under: str, notes: Sequence[str]) -> None:
    """Title, subtitle and the small print."""
    width, height = figure.get_size_inches()
    figure.text(0.35 / width, 1 - 0.22 / height, title, fontsize=TITLE, weight="bold", va="top")
    figure.text(0.35 / width, 1 - 0.62 / height, under, fontsize=BODY, color=GREY, va="top")
    for line, note in enumerate(reversed(notes)):
        figure.text(0.35 / width, (0.14 + NOTE * line) / height, note, fontsize=SMALL, color=GREY)
