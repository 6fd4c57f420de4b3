"""Small results of the built program, and reports of them, for scripts/check-report to look at."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from checkout import ROOT, Failure, program

PROFILES = {
    "modes": """
model: {name: '</script><b>small', layers: 3, d_model: 64, heads: 4, kv_heads: 2, d_ff: 96, vocab: 97}
n_c: [8, 16, 64]
n_g: 4
mode: [full-graph, pruned-graph, detached-prefix, replayed-prefix]
recompute: [none, elementwise]
""",
    "layouts": """
model: {name: small, layers: 2, d_model: 64, heads: 4, kv_heads: 2, d_ff: 96, vocab: 97}
lengths: ["64+4,16+8"]
layout: [packed, padded]
recompute: [none, layer]
attention: materialized
backend: shape
""",
    "before": """
model: {name: '</script><b>small', layers: 3, d_model: 64, heads: 4, kv_heads: 2, d_ff: 96, vocab: 97}
n_c: [8, 16, 64]
n_g: 4
backend: shape
attention: materialized
""",
}
PROFILES["after"] = PROFILES["before"] + "head: all-rows\n"


def say(sentence: str) -> None:
    print(f"check-report: {sentence}", file=sys.stderr)


def ballast(*arguments: object) -> None:
    """Runs the built program, which has to end well; what it prints is not looked at."""
    done = subprocess.run([program(), *map(str, arguments)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"ballast {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def reports(folder: Path) -> dict[str, Path]:
    """Reports of several kinds, by name."""
    for name, text in PROFILES.items():
        (folder / f"{name}.yaml").write_text(text)
        ballast("sweep", folder / f"{name}.yaml", "--output", folder / name)
    ballast("sweep", ROOT / "profiles/seed.yaml", "--output", folder / "seed")
    ballast("flow", "--model", "seed", "--n-c", 4, "--n-g", 4, "--loss-rows", "generated", "--csv",
            folder / "seed/flow.csv")
    ballast("report", folder / "modes")
    ballast("report", folder / "layouts")
    ballast("report", folder / "seed")
    # The axis in which they differ must not tell their points apart.
    for name in ("before", "after"):
        path = folder / name / "points.csv"
        path.write_text(path.read_text().replace("all-rows", "loss-rows"))
        path = folder / name / "ledger.csv"
        path.write_text(path.read_text().replace("all-rows", "loss-rows"))
    ballast("report", folder / "after", "--against", folder / "before")
    many(folder / "modes", folder / "many")
    ballast("report", folder / "many")
    made_up(folder / "modes/report.html", folder / "made-up/report.html")
    return {name: folder / name / "report.html"
            for name in ("modes", "layouts", "seed", "after", "many", "made-up")}


def made_up(source: Path, target: Path) -> None:
    """The page of a program with one region, one figure, one axis and one mode more."""
    html = source.read_text()
    start = html.index('id="data">') + len('id="data">')
    end = html.index("</script>", start)
    data = json.loads(html[start:end])
    schema, result = data["schema"], data["results"][0]
    figure = {"unit": "bytes", "phase": "step", "region": None, "is_prediction": False, "is_cost": False}
    schema["regions"].append({"name": "margin", "column": "margin_bytes", "is_of_prefix": False,
                              "figure": "retained_margin_bytes", "is_optional": True, "meaning": ""})
    schema["figures"] += [
        figure | {"name": "retained_margin_bytes", "label": "retained, margin", "region": "margin"},
        figure | {"name": "folds_bytes", "label": "folds"}]
    axis = next(axis for axis in schema["axes"] if axis["name"] == "layout")
    schema["axes"].append(axis | {"name": "flavour", "label": "flavour {}", "words": ["sweet", "sour"]})
    mode = next(mode for mode in schema["modes"] if mode["name"] == "replayed-prefix")
    mode |= {"name": "folded-prefix", "sentence": "folded-prefix folds the prefix"}
    points = result["points"]
    points["columns"] |= {
        "retained_margin_bytes": {"c": 4321}, "folds_bytes": {"c": 1234},
        "flavour": {"w": ["sweet", "sour"], "i": [n // 4 % 2 for n in range(points["rows"])]}}
    words = points["columns"]["mode"]["w"]
    words[words.index("replayed-prefix")] = "folded-prefix"
    result["ledger"]["columns"]["margin_bytes"] = {"c": 4321}
    target.parent.mkdir()
    target.write_text(html[:start] + json.dumps(data).replace("<", "\\u003c") + html[end:])


def many(source: Path, target: Path) -> None:
    """A result of 10,000 points, made of a small one by repeating its rows at other lengths."""
    target.mkdir()
    for name in ("points.csv", "ledger.csv"):
        with open(source / name, newline="") as file:
            header, *rows = csv.reader(file)
        n_c = header.index("n_c")
        blocks = [[row for row in rows if int(row[n_c]) == length] for length in (8, 16, 64)]
        with open(target / name, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for index in range(1250):
                for row in blocks[2]:
                    writer.writerow([*row[:n_c], 64 + index, *row[n_c + 1:]])


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
