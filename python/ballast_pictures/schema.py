"""What results are made of, as the program says it: nothing here lists an axis, a mode or a region."""

import json
from pathlib import Path

# A test of the program writes this file.
SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))

AXES: dict[str, dict] = {axis["name"]: axis for axis in SCHEMA["axes"]}
STANDARD = {name: axis["default"] for name, axis in AXES.items()}
# What makes a series, in the order in which labels name it.
SERIES = [
    axis["name"] for section in ("prefix", "step", "model", "tokens")
    for axis in sorted(AXES.values(), key=lambda axis: axis["name"] != "mode")
    if axis["section"] == section and axis["of_series"]
]
SIZES = [name for name, axis in AXES.items()
         if axis["section"] in ("model", "tokens") and axis["is_integer"] and axis["of_series"]]
# Of some points only: compared among those.
OPTIONS = {name for name, axis in AXES.items() if axis["conditions"]}
# What the point that others are held against has, and what it may have otherwise than they.
REFERENCE = {name: axis["reference"] for name, axis in AXES.items() if axis["reference"] is not None}
WHOLE = REFERENCE["mode"]
FREE = OPTIONS | set(REFERENCE)
# Ways to save, by the axis and the value that ask for them.
WAYS = {(name, value): words for name in SERIES for value, words in AXES[name]["ways"].items()}
SAVING = {name for name, _ in WAYS}

# The exact ones first.
MODES: dict[str, dict] = {
    mode["name"]: mode for mode in sorted(SCHEMA["modes"], key=lambda mode: not mode["is_exact"])}
BIASED = {name for name, mode in MODES.items() if not mode["is_exact"]}

# Those of the prefix first.
REGIONS: dict[str, dict] = {
    region["name"]: region
    for region in sorted(SCHEMA["regions"], key=lambda region: not region["is_of_prefix"])}
OF_PREFIX = [name for name, region in REGIONS.items() if region["is_of_prefix"]]

FIGURES: dict[str, dict] = {figure["name"]: figure for figure in SCHEMA["figures"]}
# The bytes that a step costs: tables have a column of each.
COSTS = [name for name, figure in FIGURES.items() if figure["is_cost"] and figure["unit"] == "bytes"]

FILES: dict[str, dict] = {file["name"]: file for file in SCHEMA["files"]}
# The columns of a law's factors, by rising powers of n_c.
FACTORS = [factor["column"] for factor in sorted(SCHEMA["law"], key=lambda factor: factor["power"])]
