"""What all lines look like: a colour and marker for each mode, labels beside the lines' ends."""

from collections import Counter

from ballast_pictures.data import Series
from ballast_pictures.schema import BIASED, MODES
from ballast_pictures.words import BODY, SMALL

# Okabe and Ito's palette, which colour-blind readers can tell apart; a marker a colour as well. In the
# order of the modes, exact ones first; what comes after, and modes that nobody knows, have the further.
PALETTE = [("#000000", "o"), ("#0072B2", "s"), ("#009E73", "D"), ("#D55E00", "^")]
FURTHER = [("#CC79A7", "v"), ("#56B4E9", "P"), ("#E69F00", "X"), ("#7F7F7F", "h")]
STYLES = {mode: (PALETTE + FURTHER)[i % 8] for i, mode in enumerate(MODES)}
DASHES = ["-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2))]


def styles(everything: list[Series]) -> list[tuple]:
    """A colour and marker for each mode, a dash for each further series of it.

    Biased modes start dashed, so that an exact one with the same bytes shows through.
    """
    seen: Counter = Counter(BIASED)
    others = [s.mode for s in everything if s.mode not in STYLES]
    chosen = []
    for series in everything:
        color, marker = STYLES.get(series.mode) or FURTHER[others.index(series.mode) % 4]
        chosen.append((color, marker, DASHES[seen[series.mode] % len(DASHES)]))
        seen[series.mode] += 1
    return chosen


def colors(everything: list[Series]) -> list[str]:
    """A colour for each mode."""
    return [color for color, _, _ in styles(everything)]


def spread(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in their order, at least `gap` apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    floor = low
    for i in order:
        placed[i] = max(wanted[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def direct(axes, ends, names, chosen, gap: float) -> None:
    """Labels right of a panel, each joined to the end of its line."""
    inverse = axes.transAxes.inverted()
    heights = [inverse.transform(axes.transData.transform(end))[1] if end else 0 for end in ends]
    present = [i for i, end in enumerate(ends) if end]
    places = spread([heights[i] for i in present], min(gap, 0.95 / max(len(present), 1)), 0.02, 0.97)
    for i, place in zip(present, places):
        first, second = names[i]
        color = chosen[i][0]
        start = inverse.transform(axes.transData.transform(ends[i]))[0] + 0.018
        axes.plot([start, 1.045], [heights[i], place], color=color, linewidth=0.8, alpha=0.6,
                  clip_on=False, transform=axes.transAxes)
        axes.text(1.055, place, first, color=color, weight="bold", fontsize=BODY,
                  va="bottom" if second else "center", transform=axes.transAxes)
        axes.text(1.055, place, second, color=color, va="top", fontsize=SMALL,
                  transform=axes.transAxes)
