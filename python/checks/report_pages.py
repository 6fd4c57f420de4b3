"""A report as a reader uses it, held against the CSV files that it was made of; see scripts/check-report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from checks.report_results import rows, say
from ballast_pictures.schema import SCHEMA

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Rows = list[dict[str, str]]

OVERLAPS = """() => {
  const found = [];
  for (const chart of document.querySelectorAll('.chart')) {
    const texts = [...chart.querySelectorAll('.xtick text, .ytick text, .legendtext, .xtitle, .ytitle')]
      .map(text => [text, text.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
    for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
      const [a, b] = [texts[i][1], texts[j][1]];
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) {
        found.push(`${chart.id}: ${texts[i][0].textContent} over ${texts[j][0].textContent}`);
      }
    }
  }
  return found;
}"""

EMPTY = """() => [...document.querySelectorAll('.chart')].filter(chart => !chart.hidden
  && !chart.closest('[hidden]')).filter(chart => {
    const marks = chart.querySelectorAll(
      '.scatterlayer path, .barlayer path, .hm image, .heatmaplayer image, .iciclelayer path');
    return !marks.length;
  }).map(chart => chart.id)"""


# The column of each table that says the bytes; a phone shows it without a scroll to the side.
BYTES = {"against-points": "change", "against-tensors": "change", "laws-table": "bytes",
         "tensor-table": "bytes", "point-table": "retained"}

RIGHT = """name => [...document.querySelectorAll(`#${name[0]} th`)]
  .filter(head => head.offsetParent && head.innerText.replace(/ [▾▴]$/, '') === name[1])
  .map(head => Math.ceil(head.getBoundingClientRect().right))"""


class Reader:
    """A browser with one report open."""

    def __init__(self, browser: Browser, path: Path, size: tuple[int, int], theme: str) -> None:
        self.troubles: list[str] = []
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, offline=True,
            reduced_motion="reduce")
        self.page = context.new_page()
        self.page.on("console", lambda message: self.trouble_if(
            message.type in ("error", "warning"), f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble_if(True, f"error: {error}"))
        self.page.on("request", lambda request: self.trouble_if(
            not request.url.startswith(("file:", "data:", "blob:")), f"asks for {request.url}"))
        start = time.monotonic()
        self.page.goto(path.as_uri())
        # By its attribute: the page's policy lets no expression be evaluated in it while one waits.
        self.page.wait_for_selector("html[data-ready='yes']", state="attached")
        self.seconds = time.monotonic() - start
        self.scroll()

    def scroll(self) -> None:
        """Looks at the whole page, so that every chart is drawn."""
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for y in range(0, height, 500):
            self.page.evaluate(f"window.scrollTo(0, {y})")
            self.page.wait_for_timeout(40)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.page.wait_for_timeout(150)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.troubles.append(what)

    def trouble_if(self, fails: bool, what: str) -> None:
        self.expect(not fails, what)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())

    def texts(self, selector: str) -> list[str]:
        """What every element says that a selector finds."""
        return list(self.page.locator(selector).all_inner_texts())

    def column(self, table: str, label: str) -> list[str]:
        """The cells of a column, as they stand."""
        return self.texts(f"{table} tbody td:nth-child({self.heads(table).index(label) + 1})")

    def heads(self, table: str) -> list[str]:
        """The heads of a table, without the arrow of its order."""
        return [head.rstrip(" ▾▴") for head in self.texts(f"{table} th")]

    def look(self) -> None:
        """What every page has to keep: nothing too wide, empty, over another, or without a value."""
        width, whole = self.page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
        self.expect(whole <= width, f"the page is {whole} wide in a window of {width}")
        for table, label in BYTES.items():
            edges = self.page.evaluate(RIGHT, [table, label])
            if self.page.locator(f"#{table} table:visible").count():
                self.expect(len(edges) == 1 and edges[0] <= width,
                            f"{label} of {table} ends at {edges} in a window of {width}")
        for trouble in self.page.evaluate(OVERLAPS):
            self.expect(False, trouble)
        for chart in self.page.evaluate(EMPTY):
            self.expect(False, f"the chart {chart} is empty")
        for section in self.page.locator("main > section:visible").all():
            self.expect(len(section.inner_text()) > 40, f"a section is empty: {section}")
        self.expect("undefined" not in self.text("body") and "NaN" not in self.text("body"),
                    "the page says undefined or NaN")


def number(text: str) -> int:
    return int(text.replace(",", "").removesuffix(" B"))


def check_modes(reader: Reader, folder: Path) -> None:
    """The schema; numbers, sorting, searching, the tree, hovering, the theme."""
    check_schema(reader, folder)
    points, ledger = rows(folder / "points.csv"), rows(folder / "ledger.csv")
    # What is open first is full-graph at the longest prefix.
    mine = [row for row in ledger if row["n_c"] == "64" and row["recompute"] == "none"
            and row["mode"] == "full-graph"]
    check_totals(reader, points, mine)
    check_tensor_table(reader, mine)
    check_tree(reader, mine)
    check_curve(reader, points)
    check_theme(reader)
    check_point_table(reader, points)


def check_totals(reader: Reader, points: Rows, mine: Rows) -> None:
    """The headline's share, and one sum of bytes wherever it stands."""
    whole, best = (next(int(p["retained_bytes"]) for p in points if p["n_c"] == "64"
                        and p["recompute"] == "none" and p["mode"] == mode)
                   for mode in ("full-graph", "replayed-prefix"))
    share = f"{100 * (1 - best / whole):.0f} % less"
    reader.expect(share in reader.text("#headline"), f"the headline lacks {share}")
    reader.expect("small" in reader.text("body") and reader.page.locator("main b").count() == 0,
                  "a model's name became markup")
    reader.expect(sum(int(row["requested_bytes"]) for row in mine) == whole, "the ledger is not the point's")
    reader.expect(f"{whole:,} B" in reader.text("#tree-text"), "the tree has another total")
    total = reader.page.locator("#tensor-table tfoot td").nth(1).inner_text()
    reader.expect(number(total) == whole,
                  "the table of tensors has another sum")


def check_tensor_table(reader: Reader, mine: Rows) -> None:
    """The table of tensors, sorted either way and searched."""
    page = reader.page
    sizes = [int(row["requested_bytes"]) for row in mine]
    shown = [number(cell) for cell in reader.column("#tensor-table", "bytes")]
    reader.expect(shown == sorted(sizes, reverse=True)[:len(shown)], "bytes are not sorted")
    page.locator("#tensor-table th button", has_text="bytes").click()
    shown = [number(cell) for cell in reader.column("#tensor-table", "bytes")]
    reader.expect(shown == sorted(sizes)[:len(shown)], "a second click does not turn the order")

    page.locator("#tensor-search").fill("attention k float32")
    found = [row for row in mine if row["op"] == "attention" and row["tensor"] in ("k", "mask")]
    keys = reader.column("#tensor-table", "tensor")
    reader.expect("k" in keys and len(keys) < len(mine), "the search finds no keys")
    reader.expect(all(row["tensor"] in keys for row in found), "the search misses some")
    page.locator("#tensor-search").fill("no such tensor")
    reader.expect(reader.text("#tensor-text").startswith("0 of"), "nonsense is found")
    page.locator("#tensor-search").fill("")


def check_tree(reader: Reader, mine: Rows) -> None:
    """The tree of tensors: its sums, its leaves, its other order."""
    from playwright.sync_api import TimeoutError as Timeout

    page = reader.page
    totals = {region: sum(int(row[f"{region}_bytes"]) for row in mine)
              for region in ("prefix", "generated")}
    branches = reader.texts("#tree-list > details > summary")
    for region, total in totals.items():
        reader.expect(any(f"{region} {total:,} B" in branch for branch in branches),
                      f"the tree's {region} is not {total:,}")
    for level in ("#tree-list > details", "#tree-list > details > details",
                  "#tree-list > details > details > details"):
        page.locator(level).first.locator("> summary").click()
    try:  # a branch fills itself after the click that opens it
        page.locator("#tree-list .leaf").first.wait_for(timeout=5000)
    except Timeout:
        reader.expect(False, "the tree has no leaves")
    page.locator("#tree-order").select_option("tensor op layer")
    reader.expect("float32" in page.locator("#tree-list > details > summary").first.inner_text(),
                  "the tree does not turn around")


def check_curve(reader: Reader, points: Rows) -> None:
    """What hovering says, and a curve of every figure."""
    page = reader.page
    page.locator("#curve").scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    mark = page.locator("#curve .scatterlayer .points path").first.bounding_box()
    page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    page.wait_for_timeout(400)
    hover = page.locator("#curve .hoverlayer").text_content()
    reader.expect(any(f"{int(p['retained_bytes']):,} B" in hover for p in points),
                  f"hovering says {hover!r}")
    for figure in page.locator("#curve-figure option").evaluate_all("all => all.map(o => o.value)"):
        page.locator("#curve-figure").select_option(figure)
        page.wait_for_timeout(60)
        reader.expect(page.locator("#curve .scatterlayer path").count() > 0, f"no curve of {figure}")


def check_theme(reader: Reader) -> None:
    page = reader.page
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.locator("#theme").click()
    reader.expect(page.evaluate("document.documentElement.dataset.theme") != theme,
                  "the theme does not change")


def check_point_table(reader: Reader, points: Rows) -> None:
    """The table of points, searched."""
    reader.page.locator("#point-search").fill("replayed 64")
    reader.expect(set(reader.column("#point-table", "mode")) == {"replayed-prefix"},
                  "the search of points finds others")
    reader.expect(f"of {len(points)} rows" in reader.text("#point-text"), "the number of rows is wrong")


def check_seed(reader: Reader, folder: Path) -> None:
    """The table of the walk: who gets gradient from the prefix."""
    weights = reader.column("#flow-table", "weight")
    prefix = dict(zip(weights, reader.column("#flow-table", "from the prefix")))
    for weight, mark in {"W_Q": "✗", "W_K": "✓", "W_V": "✓", "W_O": "✗", "W_down": "✗"}.items():
        reader.expect(prefix[weight].startswith(mark), f"{weight} says {prefix[weight]}")


def check_after(reader: Reader, folder: Path) -> None:
    """What grew, against the two folders."""
    old, new = (rows(folder.parent / name / "points.csv") for name in ("before", "after"))
    change = max(int(b["retained_bytes"]) - int(a["retained_bytes"]) for a, b in zip(old, new))
    reader.expect(f"+{change:,}" in reader.column("#against-points", "change"),
                  "the change of retained bytes is not there")
    changes = [number(text.replace("+", "").replace("−", "-"))
               for text in reader.column("#against-tensors", "change")]
    reader.expect(sum(changes) == change, "the tensors' changes do not add up")
    reader.expect("grew" in reader.column("#against-tensors", "what"), "nothing grew")


def check_made_up(reader: Reader, folder: Path) -> None:
    """What is added to the schema is in every part of the page, which knows nothing of it."""
    page = reader.page
    reader.expect("4,321" in reader.column("#point-table", "retained, margin"), "no region of points")
    reader.expect("1,234" in reader.column("#point-table", "folds"), "no figure of points")
    reader.expect("sour" in reader.column("#point-table", "flavour"), "no axis of points")
    reader.expect("4,321" in reader.column("#tensor-table", "margin"), "no region of tensors")
    branches = reader.texts("#tree-list > details > summary")
    reader.expect(any(branch.startswith("margin ") for branch in branches), "no region in the tree")
    figures = reader.texts("#curve-figure option")
    reader.expect({"retained, margin", "folds"} <= set(figures), f"curves offer {figures}")
    reader.expect("folded-prefix folds the prefix" in reader.text("#reach-text"), "no mode in the walk")
    points = " ".join(reader.texts("#tensor-point option"))
    reader.expect("folded-prefix" in points and "flavour sour" in points, "points are called otherwise")


def check_schema(reader: Reader, folder: Path) -> None:
    """Every region, mode and figure of the program's schema that these results have is shown."""
    page = reader.page
    points = [p for p in rows(folder / "points.csv") if p["status"] == "ok"]
    figures = reader.texts("#curve-figure option")
    heads = reader.heads("#point-table")
    for figure in SCHEMA["figures"]:
        known = [p[figure["name"]] for p in points if p.get(figure["name"])]
        if figure["is_prediction"] or not known:
            continue
        if set(known) != {"0"} or figure["region"] is None:
            reader.expect(figure["label"] in heads, f"no column of {figure['label']}")
        if figure["unit"] == "bytes" and set(known) != {"0"}:
            reader.expect(figure["label"] in figures, f"no curve of {figure['label']}")
    branches = reader.texts("#tree-list > details > summary")
    for region in SCHEMA["regions"]:
        if any(int(p.get(region["figure"]) or 0) for p in points if p["n_c"] == "64"):
            reader.expect(any(branch.startswith(region["name"] + " ") for branch in branches),
                          f"no region {region['name']} in the tree")
    for mode in SCHEMA["modes"]:
        if any(p["mode"] == mode["name"] for p in points):
            reader.expect(mode["sentence"] in reader.text("#reach-text"), f"no words of {mode['name']}")


def check_layouts(reader: Reader, folder: Path) -> None:
    """Every region of sequences of different lengths, in every layout of the schema."""
    points = rows(folder / "points.csv")
    layouts = next(axis["words"] for axis in SCHEMA["axes"] if axis["name"] == "layout")
    reader.expect({p["layout"] for p in points} == set(layouts), "a layout is missing")
    present = [region for region in SCHEMA["regions"]
               if any(int(p[region["figure"]]) for p in points)]
    reader.expect(len(present) >= 4 and any(region["is_optional"] for region in present),
                  f"there are bytes of {[region['name'] for region in present]} alone")
    for region in present:
        totals = {f"{int(p[region['figure']]):,}" for p in points}
        shown = reader.column("#point-table", f"retained, {region['name']}")
        reader.expect(totals == set(shown), f"bytes of {region['name']} are {shown}")
    labels = " ".join(reader.texts("#tensor-point option"))
    reader.expect(all(f"layout {layout}" in labels for layout in layouts), f"points are {labels}")


def check_many(reader: Reader, folder: Path) -> None:
    """What a page of 10,000 points weighs."""
    size = (folder / "report.html").stat().st_size
    reader.expect(size < 10e6, f"10,000 points make {size:,} bytes")
    reader.expect("of 10,000 rows" in reader.text("#point-text"), "there are not 10,000 rows")
    say(f"10,000 points: {size / 1e6:.1f} MB, drawn after {reader.seconds:.1f} s")


CHECKS: dict[str, Callable[[Reader, Path], None]] = {
    "modes": check_modes, "seed": check_seed, "after": check_after, "many": check_many,
          "layouts": check_layouts, "made-up": check_made_up}
