"""What points.csv and laws.csv say: series of points, their laws, and their gradients."""

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from ballast_pictures.files import Unplottable, shown, table, text_of
from ballast_pictures.schema import (
    AXES, BIASED, COSTS, FACTORS, FILES, FREE, MODES, OF_PREFIX, OPTIONS, REFERENCE, REGIONS, SAVING,
    SERIES, STANDARD, WHOLE)

NEEDED = [*FILES["points"]["needed"], "backend", "gradient_relative_error",
          *(REGIONS[region]["figure"] for region in OF_PREFIX)]


@dataclass
class Point:
    n_c: int
    retained: int
    regions: dict[str, int]
    gradient_error: float | None
    is_shape: bool
    costs: dict[str, int | None] = field(default_factory=dict)  # bytes, by figure
    products: int | None = None  # flops of matrix products
    prefix_tokens: int = 0  # of all sequences, of which n_c is the longest; a shared prompt's once

    @property
    def peak(self) -> int | None:
        return self.costs.get("peak_bytes")

    @property
    def of_prefix(self) -> int:
        return sum(self.regions[region] for region in OF_PREFIX)


@dataclass
class Law:
    """A polynomial in n_c that laws.csv has, which `checked` lengths of prefix meet."""

    coefficients: list[int]  # by rising powers
    checked: int = 0
    start: int = 0  # the first n_c for which it holds
    worst: tuple[Fraction, int] = (Fraction(0), 0)  # the largest deviation, and its n_c

    @property
    def holds(self) -> bool:
        return self.worst[0] == 0

    def __call__(self, n_c) -> Fraction:
        return sum((c * Fraction(n_c) ** power for power, c in enumerate(self.coefficients)),
                   Fraction(0))

    def held(self, points: list["Point"], value) -> "Law":
        """The same law with what points say of it."""
        worst = max(((abs(self(p.n_c) - value(p)), p.n_c) for p in points),
                    key=lambda pair: pair[0], default=self.worst)
        return replace(self, checked=len({p.n_c for p in points}), worst=worst)

    def __str__(self) -> str:
        powers = ["", "·n_c", "·n_c²"]
        text = ""
        for c, power in [(c, p) for c, p in zip(self.coefficients, powers) if c] or [(0, "")]:
            sign = ("−" if c < 0 else "") if not text else (" − " if c < 0 else " + ")
            text += f"{sign}{abs(c):,}{power}"
        return text + " bytes"


@dataclass
class Series:
    key: dict[str, str]
    label: str = ""
    points: list[Point] = field(default_factory=list)
    errors: list[float] | None = None  # `cut_errors`, where more are known than the points'
    stored: Law | None = None  # of the retained bytes, in laws.csv
    stored_of_prefix: Law | None = None  # of those that are there because of the prefix

    @property
    def mode(self) -> str:
        return self.key["mode"]

    @property
    def prompts(self) -> Fraction:
        """By how much there are more prefix tokens than n_c."""
        return next((Fraction(p.prefix_tokens, p.n_c) for p in self.points if p.n_c), Fraction(1))

    @property
    def regime(self) -> list[Point]:
        """The points for which the law holds; without one, all."""
        start = self.stored.start if self.stored else 0
        return [p for p in self.points if p.n_c >= start]

    @property
    def retained_law(self) -> Law | None:
        """The law of the retained bytes."""
        return self.stored and self.stored.held(self.regime, lambda p: p.retained)

    @property
    def prefix_law(self) -> Law | None:
        """The law of the bytes of the prefix's regions."""
        law = self.stored_of_prefix
        return law and law.held(self.regime, lambda p: p.of_prefix)

    @property
    def unbiased_up_to(self) -> int:
        """The longest prefix of which this mode detaches no row."""
        if self.mode not in BIASED:
            return 0
        kept = int(self.key["keep_prefix"] or 0)
        return max(kept, 1) if self.key["loss_rows"] == "next-token" else kept

    @property
    def cut_errors(self) -> list[float]:
        """The gradient errors at all prefixes that it cuts."""
        if self.errors is not None:
            return self.errors
        return [p.gradient_error for p in self.points
                if p.gradient_error is not None and p.n_c > self.unbiased_up_to]

    def gradient_note(self, at: int | None = None) -> str:
        """What the mode does to the gradient: over all prefixes that it cuts, or at one n_c."""
        errors = [p.gradient_error for p in self.points if p.gradient_error is not None
                  and (p.n_c > self.unbiased_up_to if at is None else p.n_c == at)]
        is_plain = self.key["recompute"] == REFERENCE["recompute"]
        if self.mode == WHOLE and (errors or is_plain):
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
        key = series_key(row)
        series = found.setdefault(tuple(key.values()), Series(key))
        try:
            error = row["gradient_relative_error"]
            series.points.append(Point(
                n_c=count(row["n_c"]), retained=count(row["retained_bytes"]),
                regions={name: count(row.get(region["figure"]) or "0")
                         for name, region in REGIONS.items()},
                gradient_error=finite(error) if error else None,
                is_shape=row["backend"] == "shape",
                costs={c: count(row.get(c) or "0") or None for c in COSTS},
                products=count(row.get("matmul_flops") or "0") or None,
                prefix_tokens=prefix_tokens(row)))
            int(key["keep_prefix"] or 0)
        except (TypeError, ValueError) as error:
            raise Unplottable(f"{path} holds an ok row with a figure missing or wrong: "
                              f"{shown(str(error))}")
    for key, laws in stored_laws(path.parent / "laws.csv").items():
        if key in found:
            found[key].stored, found[key].stored_of_prefix = laws
    order = list(MODES)
    everything = sorted(
        found.values(), key=lambda s: order.index(s.mode) if s.mode in order else len(order))
    for series in everything:
        series.points.sort(key=lambda p: p.n_c)
        series.label = label(series, everything)
    shared = common(everything)
    if "n_c" not in shared and len(everything) < 2:
        raise Unplottable(
            f"{path} holds one series alone ({everything[0].mode}); a comparison needs two modes")
    return everything, skipped, shared


def series_key(row: dict[str, str]) -> dict[str, str]:
    """What makes the series of a row; an axis that came after the file has its default."""
    return {c: STANDARD[c] if row.get(c) is None else shown(row[c]) for c in SERIES}


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


def stored_laws(path: Path) -> dict[tuple, tuple[Law, Law | None]]:
    """The laws of a laws.csv by series: of all that is retained, and of what is so for the prefix.

    None without such a file, as for a points.csv alone.
    """
    laws: dict[tuple, tuple[Law, Law | None]] = {}
    try:
        for row in csv.DictReader(io.StringIO(text_of(path), newline="")):
            start = int(row["holds_from_n_c"])
            found = (Law([int(row[c]) for c in FACTORS], start=start),
                     Law([int(row[f"of_prefix_{c}"]) for c in FACTORS], start=start)
                     if row.get(f"of_prefix_{FACTORS[0]}") else None)
            # Threads and seeds make rows of their own, and the same law.
            if laws.setdefault(tuple(series_key(row).values()), found) != found:
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
        words.append(AXES[column]["label"].format(value or "none"))
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
    wholes = [s for s in everything if s.mode == WHOLE
              and all(s.key[c] == series.key[c] for c in SERIES if c not in FREE)]
    # The plainest first: nothing shared, nothing padded.
    wholes.sort(key=lambda s: sum(s.key[c] != STANDARD[c] for c in SAVING - OPTIONS))
    for policy in (REFERENCE["recompute"], series.key["recompute"]):
        for whole in wholes:
            if whole.key["recompute"] == policy:
                return whole
    return None


def representative(series: Series) -> Point:
    """The point drawn: a measured one where there is one, and of several the largest."""
    return max(series.points, key=lambda p: (not p.is_shape, p.retained))
