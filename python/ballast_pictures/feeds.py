"""Which rows feed which weight, in three steps: what `ballast flow --csv` writes.

The sequence and its loss, whose values a query reads, and what either kind of row adds to each
weight's gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ballast_pictures.files import Unplottable, has_columns, shown, table
from ballast_pictures.narrow import Column
from ballast_pictures.words import (
    BODY, FONTS, GREY, INK, NOTE, PANEL, SMALL, TITLE, save, wrapped)

COLUMNS = ["layer", "weight", "prefix_norm", "boundary_norm", "generated_norm", "n_c", "n_g",
           "batch", "suffixes", "lengths", "loss_rows", "mode", "model", "keep_prefix"]
PREFIX, GENERATED, NOTHING = "#F3C56B", "#9CD0F2", "#E3E3E3"  # as `pictures.bars`, paler
MLP = ("W_gate", "W_up", "W_down")
GROUPS = {"W_Q": ("W_Q",), "W_K": ("W_K",), "W_V": ("W_V",), "W_O": ("W_O",), "MLP": MLP}
MOST_TOKENS, MOST_LAYERS = 16, 6  # drawn one by one
ROW = 0.42  # inches: a weight's row
WIDE = 7.6  # inches: the wide pictures


@dataclass
class Step:
    """The run that a file is about, and its norms by layer and weight, a norm for each column."""
    n_c: int
    n_g: int
    is_one_sequence: bool
    is_next_token: bool
    mode: str
    kept: int
    model: str
    layers: dict[int, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [f"C{i + 1}" for i in range(self.n_c)] + [f"G{i + 1}" for i in range(self.n_g)]

    @property
    def columns(self) -> list[str]:
        """What the norms are of."""
        last = [f"its last, C{self.n_c}"] if self.is_next_token else []
        return ["from the prefix", *last, "from generated"]

    @property
    def loss(self) -> range:
        """The rows that carry loss."""
        first = self.n_c - 1 if self.is_next_token else self.n_c
        return range(first, first + self.n_g)

    @property
    def query(self) -> int:
        """The row whose reading is drawn: the third generated one, or the last there is."""
        return self.n_c + min(2, self.n_g - 1)


def is_flow(path: Path) -> bool:
    """Whether the header of a CSV file is that of gradients by weight."""
    return has_columns(path, {"prefix_norm", "generated_norm"})


def read(path: Path) -> Step:
    rows = table(path, COLUMNS, "ballast flow --csv")
    step: Step | None = None
    squares: dict[int, dict[str, list[float]]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            found = Step(int(row["n_c"]), int(row["n_g"]),
                         not row["lengths"] and (row["batch"], row["suffixes"]) == ("1", "1"),
                         row["loss_rows"] == "next-token", shown(row["mode"]),
                         int(row["keep_prefix"] or 0), shown(Path(row["model"]).name))
            kinds = ["prefix_norm", *["boundary_norm"] * found.is_next_token, "generated_norm"]
            norms = [float(row[kind]) for kind in kinds]
            if not all(0 <= norm < math.inf for norm in norms) or min(found.n_c, found.n_g) < 1:
                raise ValueError
            layer = int(row["layer"]) if row["layer"] else None
        except (TypeError, ValueError):
            raise Unplottable(f"{path}:{number} holds a length or a norm that is none") from None
        if step and found != step:
            raise Unplottable(f"{path}:{number} is of another step than the rows before")
        step = found
        group = next((name for name, members in GROUPS.items() if row["weight"] in members), None)
        if group is not None and layer is not None:
            sums = squares.setdefault(layer, {}).setdefault(group, [0.0] * len(norms))
            for place, norm in enumerate(norms):
                sums[place] += norm * norm
    if not step or not squares:
        raise Unplottable(f"{path} holds no weight of a layer")
    step.layers = {layer: {name: [math.sqrt(value) for value in weights[name]]
                           for name in GROUPS if name in weights}
                   for layer, weights in sorted(squares.items())}
    return step


def listed(names: list[str]) -> str:
    """Weights in words: "W_Q, W_O and the MLP"."""
    names = ["the MLP" if name == "MLP" else name for name in names]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def finding(step: Step) -> str:
    """To which weights the prefix gives nothing, as the picture's title."""
    fed = {layer: [name for name, norms in weights.items() if norms[0] > 0
                   and not (step.is_next_token and norms[0] == norms[1])]
           for layer, weights in step.layers.items()}
    last = max(fed)
    who = f"the prefix before C{step.n_c}" if step.is_next_token else "the prefix"
    if not any(fed.values()):
        return f"{who[:1].upper()}{who[1:]} gives exactly 0 to every weight"
    spared = [name for name in step.layers[last] if name not in fed[last]]
    if not spared:
        return f"{who[:1].upper()}{who[1:]} feeds every weight"
    part = f"{who} feeds {listed(fed[last])}, and gives exactly 0 to {listed(spared)}" \
        if fed[last] else f"{who} gives exactly 0 to every weight"
    if len(fed) == 1:
        return f"{part[:1].upper()}{part[1:]}"
    below = [layer for layer in fed if layer != last]
    if all(fed[layer] == list(step.layers[layer]) for layer in below):
        return f"In the last layer {part}; below it, it feeds every weight"
    return f"In the last layer {part}"


def draw(path: Path, is_narrow: bool = False) -> None:
    """The weights' picture; of a short sequence, the two before it as well."""
    step = read(path)
    folder, name = path.parent, path.stem
    if step.is_one_sequence and step.n_c + step.n_g <= MOST_TOKENS:
        picture(step, folder, f"{name}-tokens", *tokens_words(step), [(1.75, tokens)], is_narrow)
        picture(step, folder, f"{name}-reads", *reads_words(step), [(2.65, reads)], is_narrow)
    parts: list[tuple[float, Any]] = []
    layers = list(step.layers)
    few = layers if len(layers) <= MOST_LAYERS else layers[:3] + layers[-3:]
    for layer in few:
        rows = len(step.layers[layer])
        def one(axes: Any, step: Step, layer: int = layer) -> None:
            weights(axes, step, layer)
        parts.append((ROW * (rows + 1.0), one))
    notes = weights_notes(step)
    if len(few) < len(layers):
        notes.append(f"Of {len(layers)} layers the first three and the last three.")
    titles = [f"Layer {layer}" + (", the last" if layer == layers[-1] else "")
              for layer in few] if len(layers) > 1 else [""]
    picture(step, folder, name, finding(step), notes, parts, is_narrow, titles)


def picture(step: Step, folder: Path, name: str, title: str, notes: list[str],
            parts: list[tuple[float, Any]], is_narrow: bool,
            titles: list[str] | None = None) -> None:
    """Parts below each other under a title, as wide pictures are, and as narrow ones."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    titles = titles or [""] * len(parts)
    plt.rcParams.update(FONTS)
    head = wrapped(title, TITLE, WIDE - 0.7, bold=True)
    small = [line for note in notes for line in wrapped(note, SMALL, WIDE - 0.7)]
    top = 0.22 + 0.3 * len(head) + 0.28
    heights = [tall + (0.42 if words else 0.06) for (tall, _), words in zip(parts, titles)]
    height = top + sum(heights) + 0.15 + NOTE * len(small) + 0.15
    figure = plt.figure(figsize=(WIDE, height))
    for row, line in enumerate(head):
        figure.text(0.35 / WIDE, 1 - (0.22 + 0.3 * row) / height, line, fontsize=TITLE,
                    weight="bold", va="top")
    figure.text(0.35 / WIDE, 1 - (top - 0.22) / height, subtitle(step), fontsize=SMALL, color=GREY,
                va="top")
    y = top + 0.06
    for (tall, fill), words, room in zip(parts, titles, heights):
        if words:
            figure.text(0.35 / WIDE, 1 - (y + 0.16) / height, words, fontsize=PANEL,
                        weight="bold", va="top")
        axes = figure.add_axes((
            0.35 / WIDE, 1 - (y + room) / height, 1 - 0.7 / WIDE, tall / height))
        blank(axes, WIDE - 0.7, tall)
        fill(axes, step)
        y += room
    for row, note in enumerate(reversed(small)):
        figure.text(0.35 / WIDE, (0.14 + NOTE * row) / height, note, fontsize=SMALL, color=GREY)
    save(figure, folder, name)
    if not is_narrow:
        return
    column = Column(title, subtitle(step))
    for (tall, _), words in zip(parts, titles):
        column.panel(words, tall, left=0, right=0.12, below=0.08)
    for note in notes:
        column.say(note)
    figure, panels = column.build()
    for axes, (tall, fill) in zip(panels, parts):
        blank(axes, 4.76, tall)
        fill(axes, step)
    column.save(figure, folder, name)


def blank(axes: Any, wide: float, tall: float) -> None:
    """Axes in inches from the left and the bottom, without lines."""
    axes.set(xlim=(0, wide), ylim=(0, tall))
    axes.axis("off")


def subtitle(step: Step) -> str:
    count = len(step.layers)
    return (f"{step.model}, {count} layer{'s' * (count > 1)}, n_c {step.n_c:,}, n_g {step.n_g:,}, "
            f"{step.mode}")


# The sequence and its loss.


def tokens_words(step: Step) -> tuple[str, list[str]]:
    names = [step.names[row] for row in step.loss]
    title = (f"{len(names)} of {len(step.names)} tokens carry loss: {names[0]} to {names[-1]}"
             if len(names) > 1 else f"1 of {len(step.names)} tokens carries loss: {names[0]}")
    notes = ["C: conditional tokens, the prefix. G: generated tokens. Every token runs through "
             "every layer; the loss is computed in the loss region alone."]
    if step.is_next_token:
        notes.append(f"The row of C{step.n_c} predicts G1, and so carries loss.")
    return title, notes


def tokens(axes: Any, step: Step) -> None:
    from matplotlib.patches import Rectangle

    wide, _ = span(axes)
    pitch = cells(axes, step, 0.62, set(range(len(step.names))))
    for first, last, words, color in ((0, step.n_c, f"prefix, n_c = {step.n_c}", PREFIX),
                                      (step.n_c, len(step.names), f"generated, n_g = {step.n_g}",
                                       GENERATED)):
        axes.plot([first * pitch + 0.05, last * pitch - 0.05], [1.3, 1.3], color=color, linewidth=4,
                  solid_capstyle="butt")
        axes.text((first + last) * pitch / 2, 1.38, words, fontsize=BODY, ha="center", va="bottom",
                  color=INK)
    start, end = step.loss[0] * pitch, min(step.loss[-1] + 1, len(step.names)) * pitch
    axes.add_patch(Rectangle((start + 0.02, 0.5), end - start - 0.04, 0.68, fill=False,
                             edgecolor="#B3261E", linewidth=2, linestyle=(0, (4, 2))))
    axes.text(min((start + end) / 2, wide), 0.4, "loss region", fontsize=BODY, weight="bold",
              color="#B3261E", ha="center", va="top")
    axes.text(step.loss[0] * pitch / 2, 0.4, "no loss", fontsize=BODY, color=GREY, ha="center",
              va="top")


def span(axes: Any) -> tuple[float, float]:
    return axes.get_xlim()[1], axes.get_ylim()[1]


def cells(axes: Any, step: Step, bottom: float, alive: set[int]) -> float:
    """The tokens as boxes in a row, grey where they are not alive; returns a box's pitch."""
    from matplotlib.patches import Rectangle

    wide, _ = span(axes)
    pitch = wide / len(step.names)
    for row, name in enumerate(step.names):
        color = (PREFIX if row < step.n_c else GENERATED) if row in alive else NOTHING
        axes.add_patch(Rectangle((row * pitch + 0.04, bottom), pitch - 0.08, 0.44, color=color,
                                 linewidth=0))
        axes.text(row * pitch + pitch / 2, bottom + 0.22, name, fontsize=min(BODY, 26 * pitch),
                  ha="center", va="center", color=INK if row in alive else GREY,
                  weight="bold" if row in alive else "normal")
    return pitch


# Whose values a query reads.


def reads_words(step: Step) -> tuple[str, list[str]]:
    name = step.names[step.query]
    title = (f"{name} reads {step.query + 1} of {len(step.names)} values, {step.n_c} of them the "
             "prefix's")
    notes = ["v: the value of a position, W_V times its h. An arrow: the query takes that value "
             "in, times a weight."]
    if step.query + 1 < len(step.names):
        notes.append("Grey: masked. A token reads no later one.")
    if step.mode == "detached-prefix":
        notes.append("Dashed: read as a constant; no gradient goes back on this way.")
    return title, notes


def reads(axes: Any, step: Step) -> None:
    from matplotlib.patches import FancyArrowPatch

    pitch = cells(axes, step, 0.34, set(range(step.query + 1)))
    x = step.query * pitch + pitch / 2
    axes.text(x, 2.5, f"{step.names[step.query]}, the query", fontsize=BODY, weight="bold",
              ha="center", va="center", color=INK,
              bbox={"facecolor": GENERATED, "edgecolor": "none", "pad": 5})
    for row, _ in enumerate(step.names):
        at = row * pitch + pitch / 2
        if row > step.query:
            axes.text(at, 0.2, "masked" if pitch > 0.55 else "–", fontsize=min(SMALL, 20 * pitch),
                      ha="center", va="center", color=GREY)
            continue
        is_constant = step.mode == "detached-prefix" and row < step.n_c - step.kept
        color = "#B57A00" if row < step.n_c else "#0072B2"
        axes.add_patch(FancyArrowPatch(
            (at, 1.12), (x + (at - x) * 0.06, 2.36), arrowstyle="-|>", mutation_scale=13,
            color=color, linewidth=1.8, shrinkA=0, shrinkB=0,
            linestyle=(0, (3, 2)) if is_constant else "-"))
        axes.text(at, 0.95, f"v{row + 1}", fontsize=BODY, ha="center", va="center", color=color,
                  weight="bold")


# Which weight gets gradient from where.


def weights_notes(step: Step) -> list[str]:
    notes = ["Numbers: the norm (length) of what these rows add to a weight's gradient.",
             "Grey 0: exactly zero. MLP: its three matrices as one."]
    if any("MLP" in found and len(found) == 1 for found in step.layers.values()):
        notes[1] = "Grey 0: exactly zero."
    if step.is_next_token:
        notes.append(f"The row of C{step.n_c} carries loss; it belongs to the prefix.")
    return notes


def number(norm: float) -> str:
    """Three figures; 0 for nothing at all."""
    return f"{norm:#.3g}".removesuffix(".") if norm else "0"


def weights(axes: Any, step: Step, layer: int) -> None:
    from matplotlib.patches import Rectangle

    wide, tall = span(axes)
    name_wide = 0.75
    pitch = (wide - name_wide) / len(step.columns)
    for place, words in enumerate(step.columns):
        axes.text(name_wide + pitch * (place + 0.5), tall - 0.2, words,
                  fontsize=SMALL, ha="center", va="center", color=INK)
    for row, (name, norms) in enumerate(step.layers[layer].items()):
        y = tall - ROW * (row + 2) + 0.02
        axes.text(0, y + (ROW - 0.06) / 2, name, fontsize=BODY, weight="bold", va="center",
                  color=INK)
        for place, norm in enumerate(norms):
            color = GENERATED if place == len(norms) - 1 else PREFIX
            text = number(norm)
            if place == 0 and step.is_next_token and 0 < norm == norms[1]:
                color, text = NOTHING, f"0 before C{step.n_c}"
            axes.add_patch(Rectangle((name_wide + pitch * place + 0.03, y), pitch - 0.06,
                                     ROW - 0.06, color=color if norm else NOTHING, linewidth=0))
            axes.text(name_wide + pitch * (place + 0.5), y + (ROW - 0.06) / 2,
                      text, fontsize=BODY, ha="center", va="center",
                      color=INK if norm else GREY)
