"""How a model learned in each mode: what examples/what_detaching_costs.py wrote, as loss over steps
and over seconds, and the bytes of a step beside."""

from dataclasses import dataclass, field
from pathlib import Path

from ballast_pictures.files import Unplottable, has_columns, shown, table
from ballast_pictures.narrow import Column
from ballast_pictures.words import BODY, FONTS, GREY, NOTE, PANEL, SMALL, TITLE, in_units, save

COLUMNS = ["task", "mode", "keep", "seed", "step", "seconds", "loss", "accuracy", "peak_bytes"]
LEARNED = 0.95
MOST = 400  # lines or bars: a file of more is no such training
# As `ballast_pictures.looks` has the modes. Replay is dashed over the full graph, so that both show.
STYLES = {"full": ("#000000", "-", 2.6), "pruned": ("#0072B2", (0, (1, 1.6)), 1.8),
          "replayed": ("#009E73", (0, (3, 2)), 2.0), "detached": ("#D55E00", "-", 1.6),
          "kept": ("#CC79A7", "-", 1.6)}
LEFT, WIDE, GAP, BARS = 0.85, 4.0, 0.75, 4.0  # inches: margin, panel, between panels, bars' panel
TALL, PITCH, TOP = 3.5, 4.7, 0.95  # inches: panel, from task to task, above the first


@dataclass
class Point:
    step: int
    seconds: float
    loss: float
    accuracy: float


@dataclass
class Runs:
    """A task in a mode: the points of each seed."""
    task: str
    mode: str
    keep: int
    peak: int
    seeds: dict[str, list[Point]] = field(default_factory=dict)

    @property
    def style(self) -> tuple:
        return STYLES["kept" if self.keep else self.mode]

    @property
    def name(self) -> str:
        if self.mode == "detached" and self.keep:
            return f"detached but for {self.keep} rows"
        return "full graph" if self.mode == "full" else self.mode

    @property
    def learned(self) -> list[int | None]:
        """The first step at which it counts as learned, of each seed; None where it never does."""
        return [next((p.step for p in points if p.accuracy >= LEARNED), None)
                for points in self.seeds.values()]

    @property
    def outcome(self) -> str:
        """What came of it, of all seeds."""
        steps = sorted(step for step in self.learned if step is not None)
        if steps:
            return f"learned by {len(steps)} of {len(self.seeds)} seeds, after {ends(steps)} steps"
        last = sorted(round(100 * points[-1].accuracy) for points in self.seeds.values())
        return f"learned by no seed: {ends(last)} % right"


def ends(ascending: list[int]) -> str:
    low, high = f"{ascending[0]:,}", f"{ascending[-1]:,}"
    return low if low == high else f"{low} to {high}"


def is_training(path: Path) -> bool:
    """Whether the header of a CSV file is that of such a training."""
    return has_columns(path, {"task", "seed", "seconds", "accuracy"})


def read(path: Path) -> list[Runs]:
    found: dict[tuple[str, str, str], Runs] = {}
    rows = table(path, COLUMNS, "examples/what_detaching_costs.py")
    for number, row in enumerate(rows, start=2):
        try:
            key = row["task"], row["mode"], row["keep"]
            runs = found.setdefault(key, Runs(*key[:2], int(row["keep"]), int(row["peak_bytes"])))
            point = Point(int(row["step"]), float(row["seconds"]), float(row["loss"]),
                          float(row["accuracy"]))
        except (TypeError, ValueError):
            raise Unplottable(f"{path}:{number} holds a figure that is none")
        if runs.mode not in STYLES or len(found) > MOST:
            raise Unplottable(f"{path}:{number} is of a mode that nobody knows: {shown(runs.mode)}")
        runs.seeds.setdefault(row["seed"], []).append(point)
    if not found:
        raise Unplottable(f"{path} holds no row")
    return list(found.values())


def finding(everything: list[Runs]) -> str:
    """What the picture shows, as its title."""
    def of(mode: str) -> dict[str, Runs]:
        return {runs.task: runs for runs in everything if runs.mode == mode and not runs.keep}

    whole, replayed, detached = of("full"), of("replayed"), of("detached")
    if not whole or not whole.keys() == replayed.keys() == detached.keys():
        return "How a small model learned"
    able = [task for task, runs in whole.items() if any(runs.learned)]
    if len(able) < len(whole):
        return "Too few steps: not even the full graph learns every task"
    is_same = all(replayed[task].learned == whole[task].learned for task in able)
    lost = [task for task in able if not any(detached[task].learned)]
    first = "Replay learns as the full graph does" if is_same else "Replay learns at other steps"
    if not lost:
        return f"{first}; detached, the tasks are learned too"
    what = "no task is learned" if len(lost) == len(able) else f"{shown(lost[0])} is not learned"
    return f"{first}; detached, {what}"


def draw(path: Path, is_narrow: bool = False) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    everything = read(path)
    tasks = list(dict.fromkeys(runs.task for runs in everything))
    plt.rcParams.update(FONTS)
    width = LEFT + 2 * WIDE + 2 * GAP + BARS + 0.3
    height = TOP + PITCH * len(tasks) + 0.55
    figure = plt.figure(figsize=(width, height))
    figure.text(0.35 / width, 1 - 0.22 / height, finding(everything), fontsize=TITLE, weight="bold",
                va="top")
    figure.text(0.35 / width, 1 - 0.66 / height, subtitle(everything), fontsize=SMALL, color=GREY,
                va="top")
    for place, task in enumerate(tasks):
        mine = [runs for runs in everything if runs.task == task]
        bottom = (height - TOP - PITCH * place - 0.45 - TALL) / height
        for panel, over in enumerate(("steps", "seconds")):
            left = LEFT + panel * (WIDE + GAP)
            axes = figure.add_axes((left / width, bottom, WIDE / width, TALL / height))
            axes.set_title(f"{shown(task)}: loss over {over}", loc="left", fontsize=PANEL,
                           weight="bold")
            losses(axes, mine, over)
        axes = figure.add_axes(((LEFT + 2 * (WIDE + GAP)) / width, bottom, BARS / width,
                                TALL / height))
        axes.set_title("peak of a step", loc="left", fontsize=PANEL, weight="bold")
        bars(axes, mine)
    for line, note in enumerate(reversed(NOTES)):
        figure.text(0.35 / width, (0.14 + NOTE * line) / height, note, fontsize=SMALL, color=GREY)
    save(figure, path.parent, path.stem)
    if not is_narrow:
        return
    column = Column(finding(everything), subtitle(everything))
    for task in tasks:
        mine = [runs for runs in everything if runs.task == task]
        for over in ("steps", "seconds"):
            column.panel(f"{shown(task)}: loss over {over}", 2.1, left=0.45)
        column.panel(f"{shown(task)}: peak of a step", 0.9 * len(mine), left=0, below=0.1)
    for note in NOTES:
        column.say(note)
    figure, panels = column.build()
    for place, task in enumerate(tasks):
        mine = [runs for runs in everything if runs.task == task]
        for axes, over in zip(panels[3 * place:], ("steps", "seconds")):
            losses(axes, mine, over)
            axes.tick_params(labelsize=SMALL)
        bars(panels[3 * place + 2], mine)
    column.save(figure, path.parent, path.stem)


NOTES = ["Peak: weights, their gradients and all else that a step holds at once; the optimizer's "
         "states come on top in every mode.",
         f"Learned: {100 * LEARNED:.0f} % of the answers are right, on rows that no step has seen."]


def subtitle(everything: list[Runs]) -> str:
    seeds = max(len(runs.seeds) for runs in everything)
    return (f"{seeds} seed{'s' * (seeds > 1)}, a line each · every mode from the same weights, on "
            "the same batches · seconds of processor time")


def losses(axes, mine: list[Runs], over: str) -> None:
    """A line a mode and seed."""
    for layer, runs in enumerate(mine):
        color, dash, thick = runs.style
        for points in runs.seeds.values():
            xs = [p.step if over == "steps" else p.seconds for p in points]
            axes.plot(xs, [p.loss for p in points], color=color, linestyle=dash, linewidth=thick,
                      alpha=0.9, zorder=10 if runs.mode == "replayed" else layer)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(over, color=GREY)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)


def bars(axes, mine: list[Runs]) -> None:
    """A bar a mode, with what came of it above; names the colours."""
    longest = max(runs.peak for runs in mine) or 1
    for place, runs in enumerate(reversed(mine)):
        color = runs.style[0]
        axes.barh(place, runs.peak / longest, height=0.2, color=color)
        axes.text(0, place + 0.43, f"{runs.name}: {in_units(runs.peak)}", color=color,
                  fontsize=BODY, va="center", weight="bold")
        axes.text(0, place + 0.21, runs.outcome, color=GREY, fontsize=SMALL, va="center")
    axes.set(xlim=(0, 1.02), ylim=(-0.3, len(mine) - 0.4), xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
