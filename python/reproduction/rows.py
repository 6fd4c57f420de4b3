"""Rows of published figures beside ours, and their table."""

import json
from dataclasses import dataclass, field
from textwrap import fill

COLUMNS = 110


@dataclass(frozen=True)
class Row:
    """A figure: as published, and ours.

    `reasons` are pairs: by how many bytes ours is more, and why. They speak only where it is.
    A row that is not `exact` is known to differ, by the reasons alone, or by them and `not_known`
    bytes for which no reason is known. A published figure that is `at_most` ours is of something
    that ours is a bound of. Without a published figure it is there to be seen.
    """

    what: str
    formula: str
    published: int | None
    ours: int
    how: str
    commands: tuple[str, ...]
    reasons: tuple[tuple[int, str], ...] = ()
    exact: bool = True
    not_known: int = 0
    at_most: bool = False

    @property
    def difference(self) -> int:
        return 0 if self.published is None else self.ours - self.published

    @property
    def is_explained(self) -> bool:
        return self.difference == sum(more for more, _ in self.reasons) + self.not_known

    @property
    def holds(self) -> bool:
        if self.at_most:
            return self.difference >= 0
        return self.difference == 0 or (self.is_explained and not self.exact)

    @property
    def mark(self) -> str:
        if self.published is None:
            return ""
        return f"{self.difference:+,}" if self.difference else "✓"

    @property
    def sentence(self) -> str:
        """Why it differs, or what the row is there for."""
        if self.published is None:
            return "; ".join(why for _, why in self.reasons)
        if self.at_most:
            known = "; ".join(why for _, why in self.reasons)
            return known if self.holds else f"should be at most ours: {known}"
        if not self.difference:
            return ""
        if self.is_explained and self.not_known:
            return "; ".join([*(f"{more:+,}: {why}" for more, why in self.reasons),
                              f"not known: {self.not_known:+,}"])
        known = "; ".join(why for _, why in self.reasons) if self.is_explained else ""
        reason = known or "no reason is known that accounts for every byte"
        return f"should be exact: {reason}" if self.exact else reason


@dataclass(frozen=True)
class Group:
    """Rows under a title, and what is measured and computed for them: empty if as said before."""

    title: str
    about: str
    rows: list[Row] = field(default_factory=list)


def judged(groups: list[Group]) -> list[Row]:
    return [row for group in groups for row in group.rows if row.published is not None]


def holds(groups: list[Group]) -> bool:
    """Whether every row that should be exact is, and reasons account for the others."""
    return all(row.holds for row in judged(groups))


def verdict(groups: list[Group]) -> str:
    rows = judged(groups)
    bounds = [row for row in rows if row.at_most and row.holds]
    exact = [row for row in rows if not row.difference and not row.at_most]
    differing = [row for row in rows if row.difference and row.holds and not row.at_most]
    known = [row for row in differing if not row.not_known]
    partly = [row.not_known for row in differing if row.not_known]
    wrong = [row for row in rows if not row.holds]
    text = f"{len(exact)} of {len(rows)} exact"
    if known:
        text += f"; {len(known)} differ by what the line below each accounts for"
    if partly:
        text += (f"; {len(partly)} differ by bytes of which some are not known, at most "
                 f"{max(map(abs, partly)):,}")
    if bounds:
        text += f"; {len(bounds)} are under a bound"
    if wrong:
        text += f"; {len(wrong)} should not differ"
    return text


def as_text(groups: list[Group]) -> str:
    rows = [row for group in groups for row in group.rows]
    head = ["", "formula", "published", "ours", "how", "difference"]
    cells = [[row.what, row.formula, "–" if row.published is None else f"{row.published:,}",
              f"{row.ours:,}", row.how, row.mark] for row in rows]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        aligned = [cell.rjust(width) if i in (2, 3) else cell.ljust(width)
                   for i, (cell, width) in enumerate(zip(cells, widths))]
        return ("  " + "  ".join(aligned)).rstrip()

    found = [line(head)]
    remaining = iter(cells)
    for group in groups:
        found += ["", group.title]
        if group.about:
            found += [fill(group.about, COLUMNS, initial_indent="  ", subsequent_indent="  "), ""]
        for row, after in zip(group.rows, [*group.rows[1:], None]):
            found.append(line(next(remaining)))
            if row.sentence and (after is None or after.sentence != row.sentence):
                found.append(fill(row.sentence, COLUMNS, initial_indent="    ↳ ",
                                  subsequent_indent="      "))
    return "\n".join([*found, "", fill(verdict(groups), COLUMNS)])


def as_json(groups: list[Group]) -> str:
    return json.dumps({
        "rows": [{
            "group": group.title, "what": row.what, "formula": row.formula,
            "published_bytes": row.published, "ours_bytes": row.ours, "how": row.how,
            "difference_bytes": None if row.published is None else row.difference,
            "should_be_exact": row.exact and row.published is not None, "holds": row.holds,
            "not_known_bytes": row.not_known, "is_bound": row.at_most,
            "reason": row.sentence or None, "commands": list(row.commands),
        } for group in groups for row in group.rows],
        "verdict": verdict(groups), "holds": holds(groups),
    }, indent=2, ensure_ascii=False)
