"""Which rows feed which weight: a heat map of the norms that `ballast flow --positions` writes."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ballast_pictures.data import power_of_ten
from ballast_pictures.files import Unplottable, shown, table
from ballast_pictures.narrow import Column
from ballast_pictures.words import BODY, FONTS, GREY, NOTE, SMALL, TITLE, save

COLUMNS = ["layer", "weight", "position", "norm", "parameter"]
MEASURED = "The norm of what each position adds to each weight's gradient"
NOTHING = "#DCDCDC"  # exact zeros: grey, which the colours do not hold
DECADES = 4  # below the largest norm; what is smaller has the darkest colour
CELL = 0.255  # inches: a row's height
LEFT, RIGHT, WIDE = 3.2, 1.25, 8.2  # inches: names, colour bar, the panels


@dataclass
class Panel:
    """One layer, or what stands before or after all layers."""
    name: str
    weights: dict[str, list[float]]


def asked(argument: str) -> tuple[Path, int | None] | None:
    """The file and n_c of `FILE.csv` or `FILE.csv:N_C`; None for anything else."""
    path, colon, length = argument.rpartition(":")
    if colon and path.endswith(".csv") and length.isascii() and length.isdigit():
        return Path(path), int(length)
    return (Path(argument), None) if argument.endswith(".csv") else None


def read(path: Path) -> list[Panel]:
    """The panels of a positions file, in the order of the forward pass."""
    rows = table(path, COLUMNS, "ballast flow --positions")
    panels: list[Panel] = []
    layer = None
    for number, row in enumerate(rows, start=2):
        if row["layer"] != layer:
            layer = row["layer"]
            name = f"layer {shown(layer)}" if layer else "before" if not panels else "after"
            panels.append(Panel(name, {}))
        norms = panels[-1].weights.setdefault(name_of(row), [])
        try:
            norm = float(row["norm"])
            if int(row["position"]) != len(norms) or not 0 <= norm < math.inf:
                raise ValueError
        except (TypeError, ValueError):
            raise Unplottable(f"{path}:{number} holds a position out of order or a norm that is none")
        norms.append(norm)
    lengths = {len(norms) for panel in panels for norms in panel.weights.values()}
    if len(lengths) > 1:
        raise Unplottable(f"{path} holds weights of different lengths")
    if not lengths:
        raise Unplottable(f"{path} holds no row")
    return panels


def name_of(row: dict[str, str]) -> str:
    """A weight's symbol; of norms, of which a layer has several, with the module's own name."""
    module = row["parameter"].split(".")[-2] if "." in row["parameter"] else ""
    return shown(f"norm, {module}" if row["weight"] == "norm" and module not in ("", "norm")
                 else row["weight"])


def draw(path: Path, prefix: int | None, is_narrow: bool = False) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panels = read(path)
    length = len(next(iter(panels[0].weights.values())))
    if prefix is not None and not 0 <= prefix <= length:
        raise Unplottable(f"n_c is {prefix}, but {path} holds {length} positions")
    largest = max(norm for p in panels for norms in p.weights.values() for norm in norms)
    if not largest:
        raise Unplottable(f"{path} holds zeros alone")

    plt.rcParams.update(FONTS)
    notes = caption(panels)
    heights = [CELL * len(p.weights) for p in panels]
    top, gap, foot = 1.4, 0.32, 0.72 + NOTE * len(notes)
    height = top + sum(heights) + gap * (len(panels) - 1) + foot
    width = LEFT + WIDE + RIGHT
    figure = plt.figure(figsize=(width, height))
    figure.text(0.35 / width, 1 - 0.22 / height, finding(panels, prefix), fontsize=TITLE,
                weight="bold", va="top")
    figure.text(0.35 / width, 1 - 0.58 / height,
                MEASURED, fontsize=BODY, color=GREY, va="top")
    bottom = height - top
    for panel, tall in zip(panels, heights):
        bottom -= tall
        axes = figure.add_axes((LEFT / width, bottom / height, WIDE / width, tall / height))
        image = heat(axes, panel, largest, prefix, list(panel.weights))
        if panel.name.startswith("layer"):
            axes.text(-0.355, 0.5, panel.name, transform=axes.transAxes, rotation=90, fontsize=SMALL,
                      weight="bold", va="center", ha="center")
        bottom -= gap
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.set_xlabel("position in the sequence", color=GREY)
    if prefix is not None:
        mark(figure, prefix, length, (width, height), height - top + 0.1)
    bar = figure.add_axes(((LEFT + WIDE + 0.25) / width, (foot + 0.25) / height, 0.16 / width,
                           min(2.6, height - top - foot - 0.5) / height))
    figure.colorbar(image, cax=bar)
    bar.tick_params(length=3, labelsize=SMALL)
    bar.minorticks_off()
    bar.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    bar.set_title("norm", fontsize=SMALL, color=GREY, loc="left")
    for side in bar.spines.values():
        side.set_visible(False)
    zero = figure.add_axes(((LEFT + WIDE + 0.25) / width, foot / height, 0.16 / width,
                            0.16 / height))
    zero.set_facecolor(NOTHING)
    zero.set(xticks=[], yticks=[])
    for side in zero.spines.values():
        side.set_visible(False)
    zero.text(1.35, 0.5, "none", transform=zero.transAxes, fontsize=SMALL, va="center_baseline")
    for line, note in enumerate(reversed(notes)):
        figure.text(0.35 / width, (0.14 + NOTE * line) / height, note, fontsize=SMALL, color=GREY)
    save(figure, path.parent, path.stem)
    if is_narrow:
        narrow(path, panels, prefix, largest)


def heat(axes: Any, panel: Panel, largest: float, prefix: int | None, names: list[str]) -> Any:
    """A layer's map, and the mark of the boundary; returns the image."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    colors = plt.get_cmap("viridis").copy()
    colors.set_bad(NOTHING)
    values = [[norm or math.nan for norm in norms] for norms in panel.weights.values()]
    length = len(values[0])
    image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap=colors,
                        norm=LogNorm(largest / 10**DECADES, largest, clip=True),
                        extent=(-0.5, length - 0.5, len(values) - 0.5, -0.5))
    axes.set_yticks(range(len(values)), names, fontsize=SMALL)
    axes.tick_params(length=0, pad=4)
    for side in axes.spines.values():
        side.set_visible(False)
    for line in range(1, len(values)):
        axes.axhline(line - 0.5, color="white", linewidth=1)
    if length <= 64:
        for line in range(1, length):
            axes.axvline(line - 0.5, color="white", linewidth=0.5)
    axes.set_xticks([])
    if prefix:
        axes.axvline(prefix - 0.5, color="white", linewidth=4)
        axes.axvline(prefix - 0.5, color="#D55E00", linewidth=1.8)
    return image


def narrow(path: Path, panels: list[Panel], prefix: int | None, largest: float) -> None:
    """A layer's name above its map, and the colours below."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    names = [briefly(list(panel.weights)) for panel in panels]
    column = Column(finding(panels, prefix), MEASURED)
    if prefix is not None:
        length = len(next(iter(panels[0].weights.values())))
        column.say(f"Left of the line: prefix, {prefix:,}; right: generated, {length - prefix:,}.")
    for panel in panels:
        last = panel is panels[-1]
        is_layer = panel.name not in ("before", "after")
        column.panel(panel.name if is_layer else f"{panel.name} the layers",
                     CELL * len(panel.weights), left=0.85, right=0.15, below=0.55 if last else 0.0)
    column.panel("norm", 0.16, left=0.85, right=0.4, below=0.3)
    if any("norm 2" in found for found in names):
        column.say("norm 1, norm 2, …: a layer's norms in the order of the forward pass.")
    for note in caption(panels, " "):
        column.say(note)
    figure, places = column.build()
    for axes, panel, found in zip(places, panels, names):
        image = heat(axes, panel, largest, prefix, found)
    places[-2].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    places[-2].tick_params(labelsize=SMALL)
    places[-2].set_xlabel("position in the sequence", color=GREY)
    bar = places[-1]
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.tick_params(length=3, labelsize=SMALL)
    bar.minorticks_off()
    bar.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    for side in bar.spines.values():
        side.set_visible(False)
    column.save(figure, path.parent, path.stem)


def briefly(names: list[str]) -> list[str]:
    """Norms by number, where the modules' names are long."""
    count, found = 0, []
    for name in names:
        count += name.startswith("norm, ")
        found.append(f"norm {count}" if name.startswith("norm, ") else name)
    return found


def finding(panels: list[Panel], prefix: int | None) -> str:
    """What the map shows, as its title: to what the prefix gives nothing in the last layer."""
    layers = [panel for panel in panels if panel.name.startswith("layer")]
    if not layers or not prefix:
        return "Who gets gradient from where"
    spared = [name for name, norms in layers[-1].weights.items()
              if not name.startswith("norm") and not any(norms[:prefix - 1]) and any(norms[prefix:])]
    if not spared or prefix < 2:
        return "Who gets gradient from where: every weight, from every row"
    listed = " and ".join(filter(None, [", ".join(spared[:-1]), spared[-1]]))
    # Its last row may carry loss, and then gives something to everything.
    is_whole = not any(layers[-1].weights[name][prefix - 1] for name in spared)
    who = "no prefix row feeds" if is_whole else "only the last prefix row feeds"
    return f"In the last layer {who} {listed}"


def mark(figure, prefix: int, length: int, size: tuple[float, float], y: float) -> None:
    """Names the tokens left and right of the boundary, above the first panel."""
    width, height = size
    for first, last, name in ((0, prefix, "prefix"), (prefix, length, "generated")):
        if last > first:
            x = LEFT + WIDE * (first + last) / 2 / length
            count = f"{last - first:,} token{'s' * (last - first != 1)}"
            figure.text(x / width, y / height, f"{name}: {count}", fontsize=SMALL, ha="center",
                        va="bottom", color=GREY)
    x = LEFT + WIDE * prefix / length
    if 0 < prefix < length:
        figure.text(x / width, (y + 0.19) / height, "n_c", fontsize=SMALL, weight="bold", ha="center",
                    va="bottom", color="#D55E00")


def caption(panels: list[Panel], between: str = "\n") -> list[str]:
    silent = not any(norms[-1] for panel in panels for norms in panel.weights.values())
    last = ", as in the last column: its row predicts a token that is not there" if silent else ""
    return [
        *("E: the embedding; U: the head, which makes logits. A position's part is the sum over the "
          f"batch of{between}what its row adds to the weight's gradient; its Frobenius norm is "
          "shown.").split("\n"),
        f"Grey: exactly zero{last}.",
        f"Norms more than {DECADES} decades below the largest have the darkest colour.",
    ]
