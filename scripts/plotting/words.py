"""What both pictures say and look like: headline, units, savings, fonts."""

import os
import textwrap
from pathlib import Path

from .data import AXES, STANDARD, Series

GREY, INK = "#4A4A4A", "#222222"
# Points, of pictures that are read at half their size: titles, panels' titles, labels, the small print.
TITLE, PANEL, BODY, SMALL = 18, 13.5, 12.5, 11.5
NOTE = 0.25  # inches from one line of small print to the next
FONTS = {
    "font.family": "DejaVu Sans", "font.size": BODY, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": GREY, "xtick.color": GREY,
    "ytick.color": GREY, "text.parse_math": False, "svg.hashsalt": "ballast", "svg.fonttype": "path",
}
TERMS = ("Retained: what backward needs and is alive when it starts, a storage counted once, "
         "parameters aside. Gradient: relative L2 distance from the gradient of full-graph.")


def title(shared: dict[str, str], finding: str) -> tuple[str, str]:
    """The headline, which is what was found, and the lines that say what was measured."""
    def have(column: str, form: str) -> list[str]:
        value = shared.get(column, "")
        if value == "1":
            form = form.removesuffix("s")  # "1 layer"
        if value.isdigit():
            value = f"{int(value):,}"
        return [form.format(value)] if value else []

    heads = have("heads", "{} heads")
    if heads and shared.get("kv_heads", shared["heads"]) != shared["heads"]:
        heads = [f"{heads[0]} on {have('kv_heads', '{} KV heads')[0]}"]
    lengths = shared.get("lengths", "")
    first = have("layers", "{} layers") + have("d_model", "d_model {}") + heads
    first += have("d_head", "d_head {}") + have("d_ff", "d_ff {}") + have("vocab", "vocab {}")
    is_up_to = "=" if shared.get("lengths") == "" else "up to"  # also where lengths vary
    second = have("dtype", "{}") + have("n_c", f"n_c {is_up_to} {{}}") + have("n_g", f"n_g {is_up_to} {{}}")
    if lengths:
        second.append(f"{lengths.count(',') + 1} sequences of different lengths")
    else:
        second += have("batch", "batch {}")
    second += have("loss_rows", "loss rows: {}")
    second += have("attention", "attention {}") + have("head", "head {}")
    second += have("recompute", "recompute {}")
    told = {"batch", "lengths", "dtype", "loss_rows", "attention", "head", "recompute"}
    for name in (axis["name"] for axis in AXES if axis["section"] == "step"):
        if name not in told and shared.get(name, "") not in ("", "0", ".*", STANDARD[name]):
            second += have(name, f"{name} {{}}")
    model = Path(shared.get("model", "")).name
    return finding, " · ".join(([model] if model else []) + first) + "\n" + " · ".join(second)


def unit(bytes_: float) -> tuple[str, int]:
    """The binary unit in which a largest value reads well."""
    if bytes_ >= 10 * 2**30:
        return "GiB", 2**30
    return ("MiB", 2**20) if bytes_ >= 2**20 else ("KiB", 2**10)


def in_units(bytes_: int) -> str:
    """Bytes in the unit in which they read well."""
    name, size = unit(bytes_)
    return f"{bytes_ / size:,.1f} {name}"


def save(figure, path: Path, name: str = "retained") -> None:
    """Writes a picture into a folder, as PNG and SVG."""
    import matplotlib.pyplot as plt

    own = "Ballast scripts/plot"  # by which `ballast sweep --overwrite` knows a picture of old results
    for suffix, options in ((".png", {"dpi": 144, "metadata": {"Software": own}}),
                            (".svg", {"metadata": {"Date": None, "Creator": own}})):
        # A file of its own takes the place of what is there: a link is not written through.
        draft = path / f".{name}.{os.getpid()}{suffix}"
        try:
            figure.savefig(draft, facecolor="white", **options)
            draft.replace(path / f"{name}{suffix}")
        finally:
            draft.unlink(missing_ok=True)
    plt.close(figure)


def against(series: Series, whole: Series | None, length: int) -> str:
    """Bytes saved at one prefix length, never without the gradient error there."""
    here = [p.retained for p in series.points if p.n_c == length]
    there = [p.retained for p in whole.points if p.n_c == length] if whole else []
    note = series.gradient_note(at=length)
    if whole is series or not here or not there or not there[0]:
        return ""
    return note if "not measured" in note else f"{saving(here[0], there[0])}, {note}"


def saving(here: int, whole: int) -> str:
    """How many bytes fewer than the whole, in per cent; show it beside the gradient alone."""
    return f"{100 * (here / whole - 1):+.1f} %".replace("-", "−") if whole else ""


def figures(value: float) -> str:
    """A number with about three figures and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def measure(text: str, size: float, bold: bool = False) -> float:
    """How long a text is, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] / 72


def wrapped(text: str, size: float, wide: float) -> list[str]:
    """The text in lines that are at most `wide` inches long."""
    letters = len(text)
    while any(measure(line, size) > wide for line in textwrap.wrap(text, letters)):
        letters -= 1
    return textwrap.wrap(text, letters)


def canvas(width: float, height: float, shared: dict[str, str], notes: list[str], finding: str):
    """A figure with its title and its notes, under axes in inches from the left and the bottom."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(FONTS)
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    headline, shape = title(shared, finding)
    axes.text(0.35, height - 0.22, headline, fontsize=TITLE, weight="bold", va="top")
    axes.text(0.35, height - 0.66, shape, fontsize=SMALL, color=GREY, va="top", linespacing=1.4)
    for i, note in enumerate(reversed(notes)):
        axes.text(0.35, 0.14 + NOTE * i, note, fontsize=SMALL, color=GREY)
    return figure, axes


def title_width(shared: dict[str, str], finding: str) -> float:
    """How wide a figure must be for its title, in inches."""
    headline, shape = title(shared, finding)
    return 0.7 + max(measure(headline, TITLE, True), *(measure(s, SMALL) for s in shape.split("\n")))
