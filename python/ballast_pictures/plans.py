"""How long a prefix fits: what `ballast plan --memory … --format csv` says, over memory or as bars."""

from dataclasses import dataclass
from pathlib import Path

from ballast_pictures.files import Unplottable, has_columns, shown, table
from ballast_pictures.looks import STYLES, direct
from ballast_pictures.narrow import Column, Entry, plain
from ballast_pictures.schema import BIASED, MODES, WAYS, WHOLE
from ballast_pictures.words import BODY, FONTS, GREY, NOTE, SMALL, TITLE, save, wrapped

COLUMNS = ["mode", "recompute", "attention", "head", "model", "dtype", "n_g", "n_c", "memory_bytes",
           "fits", "counted", "optimizer", "gradient_dtype", "relative_work", "gradient", "source"]
GIB = 2**30


@dataclass
class Best:
    """The combination of a mode that lets the prefix be longest within a memory."""
    memory: float
    n_c: int
    words: str
    work: float


def is_plan(path: Path) -> bool:
    """Whether the header of a CSV file is a plan's."""
    return has_columns(path, {"counted_bytes", "relative_work"})


def read(path: Path) -> tuple[dict[str, list[Best]], dict[str, str], list[float]]:
    """The best of each mode within each memory, a row's other values, and all memories in GiB."""
    rows = table(path, COLUMNS, "ballast plan --format csv")
    if not rows:
        raise Unplottable(f"{path} holds no row")
    if not all(row["memory_bytes"] for row in rows):
        raise Unplottable(f"{path} says what a prefix takes, not how long one fits; make it with "
                          "ballast plan --memory 24GiB,48GiB,80GiB --format csv")
    found: dict[str, dict[float, Best]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            memory, n_c = int(row["memory_bytes"]) / GIB, int(row["n_c"])
            work = float(row["relative_work"])
        except (TypeError, ValueError):
            raise Unplottable(f"{path}:{number} holds a figure that is none")
        if row["fits"] != "yes":
            continue
        words = shown(f"{row['recompute']}, {row['attention']}, {row['head']}")
        best = found.setdefault(row["mode"], {})
        other = best.get(memory)
        if other is None or (n_c, -work) > (other.n_c, -other.work):
            best[memory] = Best(memory, n_c, words, work)
    memories = sorted({int(row["memory_bytes"]) / GIB for row in rows})
    lines = {mode: [best[m] for m in memories if m in best] for mode, best in found.items()}
    return {mode: lines[mode] for mode in MODES if mode in lines}, rows[0], memories


def draw(path: Path, is_narrow: bool = False) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    lines, row, memories = read(path)
    if not lines:
        raise Unplottable(f"{path}: in none of its memories does a step fit")
    plt.rcParams.update(FONTS)
    width, height = 10.6, 5.9
    head = wrapped(finding(lines), TITLE, width - 0.7, bold=True)
    height += 0.3 * (len(head) - 1)
    figure = plt.figure(figsize=(width, height))
    figure.text(0.35 / width, 1 - 0.22 / height, "\n".join(head), fontsize=TITLE, weight="bold",
                va="top")
    figure.text(0.35 / width, 1 - (0.3 + 0.3 * len(head)) / height, subtitle(row), fontsize=BODY,
                color=GREY, va="top")
    for line, note in enumerate(reversed(notes(row, lines, memories))):
        figure.text(0.35 / width, (0.14 + NOTE * line) / height, note, fontsize=SMALL, color=GREY)
    if len(memories) == 1:
        axes = figure.add_axes((0.35 / width, 1.2 / height, (width - 0.7) / width,
                                (height - 2.0 - 0.3 * len(head)) / height))
        bars(axes, lines)
    else:
        axes = figure.add_axes((1.35 / width, 1.45 / height, 5.0 / width,
                                (height - 2.3 - 0.3 * len(head)) / height))
        chosen, ends = over_memory(axes, lines, memories)
        figure.canvas.draw()
        names = [label(mode, bests[-1]) for mode, bests in lines.items()]
        direct(axes, ends, names, chosen, 0.155)
    save(figure, path.parent, path.stem)
    if not is_narrow:
        return
    column = Column(finding(lines), subtitle(row))
    column.panel("Longest prefix, tokens", 3.0 if len(memories) > 1 else 0.7 * len(lines),
                 left=0.9 if len(memories) > 1 else 0)
    if len(memories) > 1:
        column.key([Entry(label(mode, bests[-1])[0],
                          f"{gib(bests[-1].memory)}: {label(mode, bests[-1])[1]}", *STYLES[mode],
                          (0, (6, 2)) if mode in BIASED else "-") for mode, bests in lines.items()])
    for note in notes(row, lines, memories):
        column.say(note)
    figure, (axes,) = column.build()
    if len(memories) > 1:
        over_memory(axes, lines, memories)
        axes.set_ylabel("")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{round(x, 6):g}"))
        axes.set_xlabel("memory, GiB", color=GREY)
        plain(axes)
    else:
        bars(axes, lines, parts=1)
    column.save(figure, path.parent, path.stem)


def finding(lines: dict[str, list[Best]]) -> str:
    """What the picture shows, as its title: how far the longest exact way reaches."""
    ends = {mode: bests[-1] for mode, bests in lines.items() if mode not in BIASED}
    if not ends:
        return "How long a prefix fits: only biased ways are among these"
    mode, best = max(ends.items(), key=lambda pair: pair[1].n_c)
    whole = ends.get(WHOLE)
    times = ""
    if whole and mode != WHOLE:
        of_whole = {other.memory: other.n_c for other in lines[WHOLE]}
        found = sorted(other.n_c / of_whole[other.memory] for other in lines[mode]
                       if of_whole.get(other.memory))
        low, high = (f"{ratio:.2g}" for ratio in (found[0], found[-1])) if found else ("", "")
        if found:
            times = f", {low if low == high else f'{low} to {high}'} times the full graph's"
    way = WAYS.get(("mode", mode), mode)
    first = lines[mode][0]
    least = (f"{first.n_c:,} prefix tokens in {gib(first.memory)}, "
             if first.memory < best.memory else "")
    most = f"{best.n_c:,} {'' if least else 'prefix tokens '}in {gib(best.memory)}"
    return f"{way[:1].upper()}{way[1:]}: {least}{most}{times}"


def subtitle(row: dict[str, str]) -> str:
    more = {"optimizer": f"optimizer ({shown(row['optimizer'])})",
            "gradients": f"gradients ({shown(row['gradient_dtype'])})"}
    parts = ", ".join(more.get(part, part) for part in shown(row["counted"]).split("+"))
    return f"{shown(Path(row['model']).name)}, {shown(row['dtype'])}, n_g {int(row['n_g']):,}, batch {row['batch']}; counted: {parts}"


def notes(row: dict[str, str], lines: dict[str, list[Best]], memories: list[float]) -> list[str]:
    found = ["Of each mode the best combination of recomputation, attention and head, and its matrix "
             "work over that of full-graph.",
             "Each length is exact: one more token exceeds the memory."]
    first = min(b.memory for bests in lines.values() for b in bests)
    if small := [m for m in memories if m < first]:
        found.append(f"Not even a step without a prefix fits {', '.join(map(gib, small))}.")
    if row["source"] != "counted on shapes":
        found.append("One device's share, computed and not run.")
    return found


def gib(memory: float) -> str:
    return f"{memory:g} GiB" if memory >= 1 else f"{memory * 1024:g} MiB"


def label(mode: str, best: Best) -> tuple[str, str]:
    kind = "biased" if mode in BIASED else "exact"
    return f"{mode}, {kind}", f"{best.n_c:,} · {best.words} · {best.work:.2f} ×"


def over_memory(axes, lines: dict[str, list[Best]], memories: list[float]) -> tuple[list, list]:
    """A line a mode; gives their looks and ends."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    chosen, ends = [], []
    for mode, bests in lines.items():
        color, marker = STYLES[mode]
        style = (0, (6, 2)) if mode in BIASED else "-"
        bests = [b for b in bests if b.n_c > 0] or bests
        axes.plot([b.memory for b in bests], [max(b.n_c, 1) for b in bests], color=color,
                  marker=marker, linestyle=style, linewidth=2, markersize=6)
        chosen.append((color, marker, style))
        ends.append((bests[-1].memory, max(bests[-1].n_c, 1)))
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator(memories))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: gib(round(x, 6))))
    if len(memories) > 6:
        axes.tick_params(axis="x", rotation=40)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.0f}"))
    axes.set_xlabel("memory", color=GREY)
    axes.set_ylabel("longest prefix, tokens", color=GREY)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    return chosen, ends


def bars(axes, lines: dict[str, list[Best]], parts: int = 2) -> None:
    """A bar a mode: one memory."""
    longest = max(b.n_c for bests in lines.values() for b in bests)
    for place, (mode, bests) in enumerate(reversed(lines.items())):
        color, _ = STYLES[mode]
        axes.barh(place, bests[-1].n_c, height=0.34, color=color,
                  alpha=0.55 if mode in BIASED else 1)
        first, second = label(mode, bests[-1])
        text = f"{first}:  {second}" if parts == 2 else f"{first}: {bests[-1].n_c:,}"
        axes.text(0, place + 0.24, text, color=color, fontsize=BODY,
                  va="bottom", weight="bold")
    axes.set_xlim(0, max(longest, 1))
    axes.set_ylim(-0.4, len(lines) - 0.2)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
