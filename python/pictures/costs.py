"""What a point costs, as columns of text: bytes, products, and the gradient that they buy."""

from pictures.data import Point, Series, baseline, representative
from pictures.schema import COSTS, FIGURES, REFERENCE, WHOLE
from pictures.words import GREY, INK, SMALL, in_units, measure, saving

RETAINED, *OTHERS = COSTS
HEADS = [FIGURES[RETAINED]["label"], f"against\n{WHOLE}", *(FIGURES[c]["label"] for c in OTHERS),
         "products", "gradient"]
GAP = 0.28  # inches between columns


def explained(everything: list[Series]) -> str:
    """What the columns mean, and what they are held against."""
    text = ("Peak: the most that activations and their gradients held at once. Products: the "
            "arithmetic of matrix products, as a multiple of the full graph's.")
    wholes = {s.key["recompute"] for s in everything if s.mode == WHOLE}
    if len(wholes) > 1:
        text += " Full graph: " + ("that which recomputes nothing." if REFERENCE["recompute"] in wholes
                                   else "that of the same recompute policy.")
    return text


def size(bytes_: int | None) -> str:
    if bytes_ is None:
        return "–"
    return in_units(bytes_)


def cells(series: Series, point: Point, everything: list[Series]) -> list[str]:
    """The texts under `HEADS`; nothing is said to be saved where the gradient was not measured."""
    whole = baseline(series, everything)
    of_whole = next((p for p in [representative(whole)] if p.n_c == point.n_c), None) \
        if whole else None
    note = series.gradient_note(at=point.n_c).removeprefix("gradient ")
    saved = products = ""
    if of_whole and whole is not series and "not measured" not in note:
        saved = saving(point.retained, of_whole.retained)
    if of_whole and of_whole.products and point.products:
        products = f"{point.products / of_whole.products:.2f} ×"
    return [size(point.retained), saved or "–", *(size(point.costs.get(c)) for c in OTHERS),
            products or "–", note]


def widths(rows: list[list[str]]) -> list[float]:
    """The columns' widths in inches, the gaps left of them included."""
    heads = [max(measure(line, SMALL) for line in head.split("\n")) for head in HEADS]
    return [GAP + max([head, *(measure(row[i], SMALL) for row in rows)])
            for i, head in enumerate(heads)]


def write(axes, left: float, heads: float, lines: list[float], rows: list[list[str]]) -> None:
    """The heads, and the rows at their heights, in inches from the left and from the bottom."""
    for i, wide in enumerate(widths(rows)):
        is_text = i == len(HEADS) - 1
        x, side = (left + GAP, "left") if is_text else (left + wide, "right")
        axes.text(x, heads, HEADS[i], fontsize=SMALL, color=GREY, ha=side, va="bottom",
                  multialignment=side)
        for y, row in zip(lines, rows):
            axes.text(x, y, row[i], fontsize=SMALL, color=INK, ha=side, va="center_baseline")
        left += wide
