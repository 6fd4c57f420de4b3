"""Along which size the points of one prefix length lie, and the lines that they make."""

from collections import Counter
from dataclasses import dataclass, field

from ballast_pictures.data import Point, Series, label, representative
from ballast_pictures.schema import SERIES, SIZES

MANY = 8  # lines or bars, each with a label


@dataclass
class Line:
    """What is alike but for one column: its points over that column's values, ascending."""
    series: Series  # all points together
    members: list[Series] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    @property
    def points(self) -> list[Point]:
        return self.series.points


def longest_axis(everything: list[Series]) -> str | None:
    """The integer column with the most values over which few lines hold all series."""
    best, most = None, 1
    for column in ["keep_prefix", *SIZES, "chunk"]:
        values = {s.key[column] for s in everything}
        if len(values) <= most or not all(v.isascii() and v.isdigit() for v in values):
            continue
        members = Counter(apart(s, column, everything) for s in everything)
        if len(members) <= MANY and max(members.values()) > 1:
            best, most = column, len(values)
    return best


def following(column: str, everything: list[Series]) -> list[str]:
    """The other sizes that vary with the column alone, as d_head may with d_model."""
    pairs = {c: {(s.key[column], s.key[c]) for s in everything} for c in SIZES if c != column}
    values = len({s.key[column] for s in everything})
    return [c for c, found in pairs.items()
            if len(found) == values and len({value for _, value in found}) > 1]


def apart(series: Series, column: str, everything: list[Series]) -> tuple[str, ...]:
    """All of a series but the column and the sizes that follow it."""
    free = {column, *following(column, everything)}
    return tuple("" if c in free else series.key[c] for c in SERIES)


def lines_along(column: str, everything: list[Series]) -> list[Line]:
    """The lines over a column, labelled by what sets them apart."""
    found: dict[tuple, Line] = {}
    for series in sorted(everything, key=lambda s: int(s.key[column])):
        key = apart(series, column, everything)
        line = found.setdefault(key, Line(Series(dict(zip(SERIES, key)))))
        line.members.append(series)
        line.values.append(int(series.key[column]))
        line.points.append(representative(series))
    # In the order of the modes and of the file, which everything has.
    order = {apart(s, column, everything): i for i, s in reversed(list(enumerate(everything)))}
    lines = [found[key] for key in sorted(found, key=order.__getitem__)]
    for line in lines:
        line.series.label = label(line.series, [other.series for other in lines])
    return lines
