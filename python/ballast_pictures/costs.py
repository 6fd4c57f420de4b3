"""What a point costs, as a row of texts: bytes, products, and the gradient that they buy."""

from ballast_pictures.data import Point, Series, baseline, representative
from ballast_pictures.schema import COSTS, FIGURES, WHOLE
from ballast_pictures.words import in_units, saving

RETAINED, *OTHERS = COSTS
HEADS = [FIGURES[RETAINED]["label"], f"against\n{WHOLE}", *(FIGURES[c]["label"] for c in OTHERS),
         "products", "gradient"]
PEAK = "Peak: the most that activations and their gradients held at once."


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


def heads() -> list[str]:
    """`HEADS` on one line each."""
    return [head.replace("\n", " ") for head in HEADS]


def rows(everything: list[Series]) -> list[list[str]]:
    """What every series costs, as a table of texts."""
    found = [["", *heads()], ["---", *["---:"] * (len(HEADS) - 1), "---"]]
    return found + [[s.label, *cells(s, representative(s), everything)] for s in everything]
