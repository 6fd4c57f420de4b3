"""What both pictures say and look like: headline, units, savings, fonts."""

import os
import textwrap
from pathlib import Path

from ballast_pictures.data import Series
from ballast_pictures.schema import AXES, STANDARD, WHOLE

GREY, INK = "#4A4A4A", "#222222"
# Points, of pictures that are read at half their size: titles, panels' titles, labels, the small print.
TITLE, PANEL, BODY, SMALL = 18, 13.5, 12.5, 11.5
NOTE = 0.25  # inches from one line of small print to the next
FONTS = {
    "font.family": "DejaVu Sans", "font.size": BODY, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": GREY, "xtick.color": GREY,
    "ytick.color": GREY, "text.parse_math": False, "svg.hashsalt": "ballast", "svg.fonttype": "path",
}
OWN = "Ballast scripts/plot"  # by which `ballast sweep --overwrite` knows a picture of old results
PNG = {"dpi": 144, "metadata": {"Software": OWN}}
TERMS = ("Retained: what backward needs and is alive when it starts, a storage counted once, "
         f"parameters aside. Gradient: relative L2 distance from the gradient of {WHOLE}.")


def title(shared: dict[str, str], finding: str) -> tuple[str, str]:
    """The headline, which is what was found, and the lines that say what was measured."""
    lengths = shared.get("lengths", "")
    first = [told(name, shared) for name in in_section("model") if name not in ("model", "kv_heads")]
    if shared.get("heads") and shared.get("kv_heads", shared["heads"]) != shared["heads"]:
        heads = told("heads", shared)
        first[first.index(heads)] = f"{heads} on {told('kv_heads', shared)}"
    is_up_to = "=" if shared.get("lengths") == "" else "up to"  # also where lengths vary
    tokens = [told(name, shared, f"{name} {is_up_to} {{}}") for name in ("n_c", "n_g")]
    tokens.append(f"{lengths.count(',') + 1} sequences of different lengths" if lengths
                  else told("batch", shared))
    # Those with words of their own first.
    step = sorted(in_section("step"), key=lambda name: not AXES[name]["has_own_words"])
    said = [told(name, shared) for name in step if AXES[name]["is_always_told"]
            or shared.get(name, "") not in ("", "0", ".*", STANDARD[name])]
    second = [*said[:1], *tokens, *said[1:]]
    model = Path(shared.get("model", "")).name
    return finding, " · ".join(filter(None, [model, *first])) + "\n" + " · ".join(filter(None, second))


def in_section(section: str) -> list[str]:
    """The axes of a section of the program's help."""
    return [name for name, axis in AXES.items() if axis["section"] == section]


def told(name: str, shared: dict[str, str], form: str = "") -> str:
    """A value that all series share, in words; "" if there is none."""
    value, form = shared.get(name, ""), form or AXES[name]["told"]
    if value == "1":
        form = form.removesuffix("s")  # "1 layer"
    return form.format(f"{int(value):,}" if value.isdigit() else value) if value else ""


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
    write(figure, path, [(f"{name}.png", PNG),
                         (f"{name}.svg", {"metadata": {"Date": None, "Creator": OWN}})])


def save_narrow(figure, path: Path, name: str) -> None:
    """Writes a phone's picture into a folder, as PNG."""
    write(figure, path, [(f"{name}-narrow.png", PNG)])


def write(figure, path: Path, files: list[tuple[str, dict]]) -> None:
    import matplotlib.pyplot as plt

    for name, options in files:
        # A file of its own takes the place of what is there: a link is not written through.
        draft = path / f".{os.getpid()}.{name}"
        try:
            figure.savefig(draft, facecolor="white", **options)
            draft.replace(path / name)
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


def wrapped(text: str, size: float, wide: float, bold: bool = False) -> list[str]:
    """The text in lines that are at most `wide` inches long."""
    letters = max(len(text), 1)
    while letters > 1 and any(
            measure(line, size, bold) > wide for line in textwrap.wrap(text, letters)):
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
