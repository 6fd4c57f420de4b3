"""What points.csv and laws.csv say: series of points, their laws, and their gradients."""

import csv
import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from .files import Unplottable, shown, table, text_of

# The program's registry of axes, and of regions; a test of it writes this file.
REGISTRY = json.loads((Path(__file__).parent / "registry.json").read_text(encoding="utf-8"))
AXES = REGISTRY["axes"]
STANDARD = {axis["name"]: axis["default"] for axis in AXES}
# What makes a series, in the order in which labels name it.
SERIES = [
    axis["name"] for section in ("prefix", "step", "model", "tokens")
    for axis in sorted(AXES, key=lambda axis: axis["name"] != "mode")
    if axis["section"] == section and axis["of_series"]
]
SIZES = [axis["name"] for axis in AXES
         if axis["section"] in ("model", "tokens") and axis["is_integer"] and axis["of_series"]]
# Of some points only: compared among those.
OPTIONS = {axis["name"] for axis in AXES if axis["is_conditional"]}
# What the full graph that others are held against may have otherwise.
FREE = OPTIONS | {axis["name"] for axis in AXES if axis["of_reference"]}
BIASED = {"detached-prefix"}
# The exact ones first.
MODES = sorted(next(axis["words"] for axis in AXES if axis["name"] == "mode"),
               key=lambda mode: mode in BIASED)
OF_PREFIX = ("prefix", "crossing")
REGIONS = sorted(REGISTRY["regions"], key=lambda region: region not in OF_PREFIX)
NEEDED = ["mode", "status", "backend", "n_c", "retained_bytes", "gradient_relative_error",
          *(f"retained_{region}_bytes" for region in OF_PREFIX)]


@dataclass
class Point:
    n_c: int
    retained: int
    regions: dict[str, int]
    gradient_error: float | None
    is_shape: bool
    peak: int | None = None  # bytes
    products: int | None = None  # flops of matrix products
    prefix_tokens: int = 0  # of all sequences, of which n_c is the longest; a shared prompt's once

    @property
    def of_prefix(self) -> int:
        return sum(self.regions[region] for region in OF_PREFIX)


@dataclass
class Law:
    """c0 + c1·n_c + c2·n_c², which `checked` lengths of prefix meet that it was not made from."""

    coefficients: list[Fraction]
    checked: int
    start: int = 0  # the first n_c for which it holds
    is_stored: bool = False  # in laws.csv, not solved from three of the points
    worst: tuple[Fraction, int] = (Fraction(0), 0)  # the largest deviation, and its n_c

    @property
    def holds(self) -> bool:
        return self.worst[0] == 0

    def __call__(self, n_c) -> Fraction:
        c0, c1, c2 = self.coefficients
        return c0 + c1 * Fraction(n_c) + c2 * Fraction(n_c) ** 2

    def __str__(self) -> str:
        powers = ["", "·n_c", "·n_c²"]
        terms = [(c, p) for c, p in zip(self.coefficients, powers) if c != 0]
        text = ""
        for c, power in terms or [(Fraction(0), "")]:
            size = f"{abs(c).numerator:,}" + (f"/{c.denominator:,}" if c.denominator > 1 else "")
            sign = ("−" if c < 0 else "") if not text else (" − " if c < 0 else " + ")
            text += sign + size + power
        return text + " bytes"


@dataclass
class Series:
    key: dict[str, str]
    label: str = ""
    points: list[Point] = field(default_factory=list)
    stored: Law | None = None  # of the retained bytes, in laws.csv

    @property
    def mode(self) -> str:
        return self.key["mode"]

    @property
    def regime_start(self) -> int:
        """The first n_c of the law: below it other rows carry loss, or nothing is detached."""
        if self.stored:
            return self.stored.start
        start = 1 if self.key["loss_rows"] == "next-token" else 0
        if self.mode == "detached-prefix":
            start = max(start, int(self.key["keep_prefix"] or 0))
        return start

    @property
    def prompts(self) -> Fraction:
        """By how much there are more prefix tokens than n_c."""
        return next((Fraction(p.prefix_tokens, p.n_c) for p in self.points if p.n_c), Fraction(1))

    @property
    def regime(self) -> list[Point]:
        return [p for p in self.points if p.n_c >= self.regime_start]

    @property
    def retained_law(self) -> Law | None:
        """The law of the retained bytes: that of laws.csv, or else the one through three points."""
        if not self.stored:
            return self.law(lambda p: p.retained)
        law = replace(self.stored, checked=len({p.n_c for p in self.regime}))
        law.worst = max(((abs(law(p.n_c) - p.retained), p.n_c) for p in self.regime),
                        key=lambda pair: pair[0], default=law.worst)
        return law

    def law(self, value) -> Law | None:
        """The law of `value` over the points of the regime; None for fewer than three lengths."""
        points = {p.n_c: Fraction(value(p)) for p in self.regime}
        lengths = sorted(points)
        if len(lengths) < 3:
            return None
        chosen = [lengths[0], lengths[len(lengths) // 2], lengths[-1]]
        law = Law(quadratic([(n, points[n]) for n in chosen]), checked=len(lengths) - 3)
        law.worst = max(
            ((abs(law(p.n_c) - value(p)), p.n_c) for p in self.regime), key=lambda pair: pair[0])
        return law

    @property
    def unbiased_up_to(self) -> int:
        """The longest prefix of which this mode detaches no row."""
        if self.mode not in BIASED:
            return 0
        kept = int(self.key["keep_prefix"] or 0)
        return max(kept, 1) if self.key["loss_rows"] == "next-token" else kept

    def gradient_note(self, at: int | None = None) -> str:
        """What the mode does to the gradient: over all prefixes that it cuts, or at one n_c."""
        errors = [p.gradient_error for p in self.points if p.gradient_error is not None
                  and (p.n_c > self.unbiased_up_to if at is None else p.n_c == at)]
        if self.mode == "full-graph" and (errors or self.key["recompute"] == "none"):
            return "gradient exact"
        if not errors:
            return "gradient " + ("biased, error " if self.mode in BIASED else "") + "not measured"
        # Two bytes have seven bits behind the point or ten: exact modes round apart by some of them.
        is_narrow = self.key["dtype"] not in ("", "float32") and self.mode not in BIASED
        if max(errors) < (5e-3 if is_narrow else 1e-4):
            return "gradient exact" + (f", to {power_of_ten(max(errors))}" if max(errors) else "")
        low, high = (f"{100 * e:.2g}" for e in (min(errors), max(errors)))
        return f"gradient off by {low} %" if low == high else f"gradient off by {low} to {high} %"


def power_of_ten(value: float) -> str:
    digit, exponent = f"{value:.0e}".split("e")
    return f"{digit}e{int(exponent)}"  # raised digits are illegible where a picture is small


def quadratic(points: list[tuple[int, Fraction]]) -> list[Fraction]:
    """The coefficients c0, c1, c2 through three points (Newton's divided differences)."""
    (a, fa), (b, fb), (c, fc) = points
    ab, bc = (fb - fa) / (b - a), (fc - fb) / (c - b)
    c2 = (bc - ab) / (c - a)
    c1 = ab - c2 * (a + b)
    return [fa - c1 * a - c2 * a * a, c1, c2]


def read(path: Path) -> tuple[list[Series], Counter, dict[str, str]]:
    """The series of a points.csv, the rows left out by status, and what all rows share.

    `n_c` is among the latter where there is one prefix length alone.
    """
    rows = table(path, NEEDED, "ballast sweep")
    skipped = Counter(shown(row["status"] or "") for row in rows if row["status"] != "ok")
    rows = [row for row in rows if row["status"] == "ok"]
    if not rows:
        raise Unplottable(f"{path} holds no point with status ok ({describe(skipped) or 'no row'})")

    found: dict[tuple, Series] = {}
    for row in rows:
        key = {c: STANDARD[c] if row.get(c) is None else shown(row[c]) for c in SERIES}
        series = found.setdefault(tuple(key.values()), Series(key))
        try:
            error = row["gradient_relative_error"]
            series.points.append(Point(
                n_c=count(row["n_c"]), retained=count(row["retained_bytes"]),
                regions={r: count(row.get(f"retained_{r}_bytes") or "0") for r in REGIONS},
                gradient_error=finite(error) if error else None,
                is_shape=row["backend"] == "shape", peak=count(row.get("peak_bytes") or "0") or None,
                products=count(row.get("matmul_flops") or "0") or None,
                prefix_tokens=prefix_tokens(row)))
            series.regime_start
        except (TypeError, ValueError) as error:
            raise Unplottable(f"{path} holds an ok row with a figure missing or wrong: "
                              f"{shown(str(error))}")
    for key, law in stored_laws(path.parent / "laws.csv").items():
        if key in found:
            found[key].stored = law
    everything = sorted(
        found.values(), key=lambda s: MODES.index(s.mode) if s.mode in MODES else len(MODES))
    for series in everything:
        series.points.sort(key=lambda p: p.n_c)
        series.label = label(series, everything)
    shared = common(everything)
    if "n_c" not in shared and len(everything) < 2:
        raise Unplottable(
            f"{path} holds one series alone ({everything[0].mode}); a comparison needs two modes")
    return everything, skipped, shared


def prefix_tokens(row: dict[str, str]) -> int:
    """The prefix tokens of all sequences of a step; a prompt that completions share counts once."""
    n_c, lengths = count(row["n_c"]), row.get("lengths")
    is_shared = row.get("sharing") == "prefix"
    if lengths and not is_shared:  # n_c+n_g of each sequence
        tokens = sum(count(pair.split("+")[0]) for pair in lengths.split(","))
    else:
        completions = 1 if is_shared else count(row.get("suffixes") or "1")
        tokens = n_c * count(row.get("batch") or "1") * completions
    if tokens < n_c:
        raise ValueError(f"{tokens} prefix tokens are fewer than n_c, which is {n_c}")
    return tokens


def count(text: str) -> int:
    """A number that the program could have written."""
    if 0 <= (value := int(text)) < 2**63:
        return value
    raise ValueError(f"{value} is none of its numbers")


def finite(text: str) -> float:
    """A gradient's error; no point with another one is ok."""
    if 0 <= (value := float(text)) < math.inf:
        return value
    raise ValueError(f"{text} is no error of a gradient")


def stored_laws(path: Path) -> dict[tuple, Law]:
    """The laws of a laws.csv by series; none without such a file, as for a points.csv alone."""
    laws: dict[tuple, Law] = {}
    try:
        for row in csv.DictReader(io.StringIO(text_of(path), newline="")):
            law = Law([Fraction(int(row[f"{c}_bytes"]))
                       for c in ("constant", "linear", "quadratic")], checked=0,
                      start=int(row["holds_from_n_c"]), is_stored=True)
            # Threads and seeds make rows of their own, and the same law.
            if laws.setdefault(tuple(shown(row.get(c) or "") for c in SERIES), law) != law:
                raise Unplottable(f"{path} holds two laws of one series")
    except FileNotFoundError:
        return {}
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise Unplottable(f"{path} cannot be read as laws: {type(error).__name__} {error}")
    return laws


def common(everything: list[Series]) -> dict[str, str]:
    """What all series share, and `n_c` where all points do."""
    shared = {c: everything[0].key[c] for c in SERIES if len({s.key[c] for s in everything}) == 1}
    lengths = {p.n_c for s in everything for p in s.points}
    return shared | ({"n_c": str(lengths.pop())} if len(lengths) == 1 else {})


def label(series: Series, everything: list[Series]) -> str:
    """What sets a series apart from the others: its mode, then whatever else varies."""
    words = [series.mode]
    for column, value in options(series, everything).items():
        name = {"keep_prefix": "keep ", "dtype": "", "model": ""}.get(column, f"{column} ")
        words.append(name + (value or "none"))
    return ", ".join(words)


def options(series: Series, everything: list[Series]) -> dict[str, str]:
    """What sets a series apart from the others, its mode aside."""
    found = {}
    for column in SERIES[1:]:
        value = series.key[column]
        own = column in OPTIONS
        rivals = {s.key[column] for s in everything if not own or s.mode == series.mode}
        if len(rivals) > 1 or column == "keep_prefix" and value not in ("", "0"):
            found[column] = value
    return found


def describe(counts: Counter) -> str:
    return ", ".join(f"{count} {status or 'without status'}" for status, count in counts.items())


def baseline(series: Series, everything: list[Series]) -> Series | None:
    """The full graph that a series is held against: otherwise the same, nothing computed again.

    Where no series recomputes nothing, the full graph of the same policy.
    """
    wholes = [s for s in everything if s.mode == "full-graph"
              and all(s.key[c] == series.key[c] for c in SERIES if c not in FREE)]
    # The plainest first: nothing shared, nothing padded.
    wholes.sort(key=lambda s: sum(s.key[c] != STANDARD[c] for c in FREE - OPTIONS - {"optimizer"}))
    for policy in ("none", series.key["recompute"]):
        for whole in wholes:
            if whole.key["recompute"] == policy:
                return whole
    return None


def representative(series: Series) -> Point:
    """The point drawn: a measured one where there is one, and of several the largest."""
    return max(series.points, key=lambda p: (not p.is_shape, p.retained))
