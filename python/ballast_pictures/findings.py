"""What a picture shows, as its title: what each way saves, and what it costs the gradient."""

from collections.abc import Callable
from dataclasses import dataclass

from ballast_pictures.data import Point, Series, baseline, representative
from ballast_pictures.schema import AXES, BIASED, OPTIONS, SAVING, SIZES, STANDARD, WAYS
from ballast_pictures.words import in_units

LONG = 100  # letters of a title that what joins the lead still may fill
LITTLE = 0.005  # a saving that rounds to nothing


@dataclass
class Way:
    """A series at the largest sizes, held against its full graph."""
    series: Series
    point: Point
    share: float  # of the full graph's bytes
    changes: frozenset[tuple[str, str]]
    least: int | None = None  # per cent fewer at the prefix length where that is the least

    @property
    def name(self) -> str:
        return named(self.changes) or self.series.label

    @property
    def fewer(self) -> int:
        """Per cent of the full graph's bytes; negative where there are more."""
        return round(100 * (1 - self.share))

    @property
    def saved(self) -> str:
        """That, over all prefix lengths of the picture."""
        if self.least is None or self.least >= self.fewer:
            return f"{self.fewer} %"
        return f"{self.least} to {self.fewer} %"


def finding(everything: list[Series], peaks: bool = False) -> str:
    """The title of a picture of these series; of their peaks, where the picture shows those."""
    found = at_largest(at_longest(everything))
    peaks = peaks and all(point.peak for _, point in found)

    def bytes_of(point: Point) -> int:
        return max(point.peak if peaks else point.retained, 1)

    ways = []
    for series, point in found:
        whole = baseline(series, [other for other, _ in found])
        if whole and whole is not series:
            share = bytes_of(point) / bytes_of(representative(whole))
            ways.append(Way(series, point, share, changes(series, whole),
                            least_saved(series, whole, bytes_of)))
    text = against_the_full_graph(ways, everything, "peak" if peaks else "")
    if text:
        at = largest_named(everything)
        return f"At {at}, {text}" if at else text[:1].upper() + text[1:]
    return without_one(found, everything, bytes_of, "peak" if peaks else "retained")


def against_the_full_graph(ways: list[Way], everything: list[Series], peak: str) -> str:
    """What the best exact way saves and the biased one; "" where nothing is saved or measured."""
    exact = sorted((w for w in ways if w.series.mode not in BIASED), key=lambda w: w.share)
    parts: list[str] = []
    joined = ""
    less = "peak {} lower" if peak else "{} fewer bytes"
    if exact and exact[0].share < 1 - LITTLE:
        # A change alone says what the saving comes from; what joins it comes after.
        best = exact[0]
        lead = next((w for w in exact if len(w.changes) == 1 and w.changes <= best.changes
                     and w.share < 1 - LITTLE), best)
        note = lead.series.gradient_note(at=lead.point.n_c)
        word = "exact gradient" if "exact" in note else "exact by design"
        parts.append(f"{lead.name}: {word}, {less.format(lead.saved)}")
        added = named(best.changes - lead.changes)
        if added and best.fewer > lead.fewer:
            joined = f"{added} too: {best.saved}"
            parts.append(joined)
    more = [w for w in exact if len(w.changes) == 1 and w.share > 1.01 and named(w.changes)]
    if more:
        parts.append(f"{more[-1].name}: {-more[-1].fewer} % {'higher' if peak else 'more'}")
    biased = [w for w in ways if w.series.mode in BIASED and w.point.gradient_error is not None]
    if biased:
        way = min(biased, key=lambda w: (len(w.changes), w.share))
        off = errors(way, everything)
        parts.append(f"detaching: {way.saved} {'lower' if peak else 'fewer'}, off by {off}" if parts
                     else f"detaching: {less.format(way.saved)}, gradient off by {off}")
    if joined and len("; ".join(parts)) > LONG:
        parts.remove(joined)
    return "; ".join(parts)


def without_one(found: list[tuple[Series, Point]], everything: list[Series], bytes_of, figure) -> str:
    """The title where no full graph is beside the others, or nothing is saved."""
    exact = [pair for pair in found if pair[0].mode not in BIASED]
    biased = [(s, p) for s, p in found if s.mode in BIASED and p.gradient_error is not None]
    if len(biased) > 1 and not exact and len({p.retained for _, p in biased}) > 1 \
            and len({s.key["keep_prefix"] for s, _ in biased}) > 1:
        biased.sort(key=lambda pair: pair[1].retained)
        series, half = min(biased, key=lambda pair: abs(
            2 * int(pair[0].key["keep_prefix"] or 0) - pair[1].n_c))
        share = round(100 * half.retained / biased[-1][1].retained)
        least = min(biased, key=lambda pair: int(pair[0].key["keep_prefix"] or 0))[0]
        kept = int(least.key["keep_prefix"] or 0)
        worst = 100 * representative(least).gradient_error
        return (f"Off by {worst:.2g} % with {kept or 'no'} prefix rows kept; by "
                f"{100 * half.gradient_error:.2g} % still with "
                f"{int(series.key['keep_prefix']):,} of {half.n_c:,}, at {share} % of the bytes")
    if exact and biased:
        series, least = min(exact, key=lambda pair: bytes_of(pair[1]))
        cheap, detached = min(biased, key=lambda pair: bytes_of(pair[1]))
        name = WAYS.get(("mode", series.mode), series.label)
        off = errors(Way(cheap, detached, 1, frozenset()), everything)
        return (f"{name[:1].upper()}{name[1:]}: exact gradient, {figure} {in_units(bytes_of(least))}; "
                f"detaching: {in_units(bytes_of(detached))}, off by {off}")
    exact.sort(key=lambda pair: bytes_of(pair[1]))
    if len(exact) > 1:
        (series, least), (other, most) = exact[0], exact[-1]
        fewer = round(100 * (1 - bytes_of(least) / bytes_of(most)))
        if fewer:
            verb = "peaks {} % lower than" if figure == "peak" else "keeps {} % less than"
            return f"{series.label} {verb.format(fewer)} {other.label}"
    series, most = max(found, key=lambda pair: pair[1].retained)
    share = round(100 * most.of_prefix / max(most.retained, 1))
    return f"{series.mode} keeps {in_units(most.retained)}, {share} % because of the prefix"


def least_saved(series: Series, whole: Series, bytes_of: Callable[[Point], int]) -> int | None:
    """Per cent fewer bytes at the prefix length where that is the least; None at one length."""
    of_whole = {p.n_c: bytes_of(p) for p in whole.points}
    found = [round(100 * (1 - bytes_of(p) / of_whole[p.n_c])) for p in series.points
             if p.n_c > series.unbiased_up_to and p.n_c > 0 and p.n_c in of_whole]
    return min(found) if len({p.n_c for p in series.points}) > 1 and found else None


def changes(series: Series, whole: Series) -> frozenset[tuple[str, str]]:
    """The axes that save in which a series differs from its full graph."""
    return frozenset(
        (c, series.key[c]) for c in SAVING
        if series.key[c] != whole.key[c]
        and not (c in OPTIONS and series.key[c] in ("", STANDARD[c])))


def named(found: frozenset[tuple[str, str]]) -> str:
    """Changes in words, in the order of `WAYS`; "" if one of them has none."""
    if any(change not in WAYS for change in found):
        return ""
    return " and ".join(WAYS[change] for change in WAYS if change in found)


def errors(way: Way, everything: list[Series]) -> str:
    """The gradient errors of all points that lose as many rows as this way: never the mildest alone.

    Where they grow towards the point that the title is about, its own error says enough.
    """
    found = [error for s in everything for error in s.cut_errors
             if s.mode == way.series.mode
             and s.key["keep_prefix"] == way.series.key["keep_prefix"]]
    if not found or largest_named(everything) and max(found) == way.point.gradient_error:
        found = [way.point.gradient_error]
    low, high = (f"{100 * error:.2g}" for error in (min(found), max(found)))
    return f"{high} %" if low == high else f"{low} to {high} %"


def largest_named(everything: list[Series]) -> str:
    """The size along which the series lie, at its largest: "16 layers"; "" if none or several do."""
    varying = {c: values for c in SIZES if c not in OPTIONS
               and len(values := {s.key[c] for s in everything}) > 1}
    if len(varying) != 1 or not (noun := AXES[next(iter(varying))]["noun"]):
        return ""
    return f"{max(int(value or 0) for value in next(iter(varying.values()))):,} {noun}"


def at_longest(everything: list[Series]) -> list[tuple[Series, Point]]:
    """Of each series the point at the longest prefix of all, if it has one."""
    longest = max(p.n_c for s in everything for p in s.points)
    return [(s, point) for s in everything for point in [representative(s)] if point.n_c == longest]


def at_largest(found: list[tuple[Series, Point]]) -> list[tuple[Series, Point]]:
    """Of points that differ in a size, such as the number of layers, those with the most."""
    for column in (c for c in SIZES if c not in OPTIONS):
        values = [int(s.key[column]) for s, _ in found if str(s.key[column]).isdigit()]
        if values:
            found = [pair for pair in found if str(pair[0].key[column]) == str(max(values))]
    return found
