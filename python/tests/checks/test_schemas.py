"""JSON schemas of the files that people write: what the program takes they take, and what it refuses
they refuse, as far as a schema can say it.

The refusals are those of `Tests/ProfilesTests` (a profile, a budget) and of `Tests/RecordingsTests`.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ballast_probe import files
from ballast_probe.options import PointOptions

ROOT = Path(__file__).resolve().parents[3]
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))
RECORDINGS = ROOT / "Tests/Fixtures/recordings"


class Loader(yaml.SafeLoader):
    """Numbers as YAML 1.2 has them, which editors and Ballast read: 1e-5 is one."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


def parsed(text: str) -> Any:
    return yaml.load(text, Loader)


@cache
def validator(kind: str) -> Any:
    schema = json.loads((ROOT / f"schemas/{kind}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def takes(kind: str, value: Any) -> bool:
    return bool(validator(kind).is_valid(value))


def hold(kind: str, value: Any) -> None:
    """Raises with the first thing that the schema refuses."""
    validator(kind).validate(value)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_is_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    hold("profile", parsed(text))
    if "budgets" in parsed(text):
        hold("budgets", parsed(text))
    assert text.startswith("# yaml-language-server: $schema=../schemas/profile.schema.json\n")


def blocks(language: str) -> list[tuple[str, str]]:
    """What stands in blocks of a language on the pages."""
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "python/README.md"]
    return [(page.name, block) for page in pages for block in re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)]


def test_the_profiles_and_budgets_on_the_pages_are_such() -> None:
    found = [(page, parsed(text)) for page, text in blocks("yaml")]
    written = [(page, value) for page, value in found if isinstance(value, dict)
               and ({"budgets", "model", "n_c"} & set(value)) and "jobs" not in value]
    assert len(written) >= 2
    for _, value in written:
        hold("budgets" if "model" not in value else "profile", value)


def test_profiles_in_the_tests_of_the_program_are_such() -> None:
    """Each text of a whole profile in the tests of commands that expect no refusal of it."""
    for text in ["model: seed\nn_c: [1, 2, 8]\nn_g: 2\nbackend: shape\nmode: [full-graph, detached-prefix]",
                 "model: seed\nn_g: 2\nbackend: shape\nn_c: {from: 1, to: 9000, step: 1}\n",
                 "model: seed\nlengths: [128+16, '4096+512,1+2']\ndropout: 0.1\nmemory: 24.5GiB\n",
                 "model: [seed, one-layer]\nn_c: 4\nn_g: 4\nlora: r=4,alpha=8,targets=q_proj\nrepeat: 5",
                 "model: {d_model: 64, heads: 4, d_ff: 8, vocab: 9, norm_epsilon: 1e-5}\nlayers: [1, 2]\n"
                 "n_c: 4\nn_g: 4\nseed: 18446744073709551615"]:
        hold("profile", parsed(text))


GOOD_BUDGETS = """\
- {figure: retained, at_most: 4KiB, at_least: 0}
- {figure: peak, at_most: baseline + 2%, at_least: baseline - 64}
- {figure: allocated, at_most: baseline, at_least: baseline - 1KiB}
- {figure: gradient_error, at_most: 1e-5}
- {figure: retained, relative_to: full-graph, at_most: 0.15}
- {figure: per_prefix_token, within: 0%}
- {figure: retained, within: 512}
- {figure: gradient_error, within: 10%}
- {figure: peak, relative_to: full-graph, at_most: baseline + 0.02}
- {figure: peak, at_most: 1, n_c: 8, mode: [detached-prefix], attention: fused}
- {figure: peak, at_most: 1, model: seed, dtype: float32, layers: 1, kv_gradients: float32}
- {figure: peak, at_most: 1, n_c: {from: 8, to: 10, step: 1}}
- {figure: peak_reserved, at_most: 80GiB}
"""

BAD_BUDGETS = """\
4
[]
- retained
- {at_most: 4}
- {figure: retaned, at_most: 4}
- {figure: retained}
- {figure: retained, atmost: 4}
- {figure: retained, at_most: 4gB}
- {figure: retained, at_most: 24G}
- {figure: retained, at_most: -4}
- {figure: retained, at_most: 0.15}
- {figure: retained, at_most: [4, 5]}
- {figure: retained, at_most: }
- {figure: retained, at_most: 4, within: 0%}
- {figure: retained, within: x%}
- {figure: retained, within: -1%}
- {figure: retained, within: 1001%}
- {figure: retained, at_most: baseline * 2}
- {figure: retained, at_most: baseline +}
- {figure: gradient_error, at_most: 4KiB}
- {figure: gradient_error, at_most: nan}
- {figure: gradient_error, at_most: baseline + 4KiB}
- {figure: gradient_error, relative_to: full-graph, at_most: 1}
- {figure: peak, relative_to: full, at_most: 1}
- {figure: peak, relative_to: full-graph, within: 1KiB}
- {figure: peak, at_most: 1, n_c: x}
- {figure: peak, at_most: 1, mode: full}
- {figure: peak}
"""


def test_budgets_are_read_as_the_program_reads_them() -> None:
    words = {"model": "seed", "n_c": [4, 8], "n_g": 4}
    for line in GOOD_BUDGETS.splitlines():
        hold("profile", words | {"budgets": parsed(line)})
        if "from:" not in line:  # of results a budget has no range
            hold("budgets", {"budgets": parsed(line)})
    for line in BAD_BUDGETS.splitlines():
        assert not takes("profile", words | {"budgets": parsed(line)}), line
        # Results may be of a program with other words on an axis.
        has_other_words = "n_c: x" in line or "mode: full}" in line
        assert takes("budgets", {"budgets": parsed(line)}) == has_other_words, line


START = "model: seed\nn_g: 1\n"
BAD_PROFILES = [
    "hello", "- 1\n", "n_c: 1\nn_g: 1\n", START, START + "n_cc: 1", START + "n-c: 1",
    START + "n_c: 1\nxyzzy: 1", START + "n_c: 1.5", START + "n_c: true", START + "n_c: .nan",
    START + "n_c: \"4\"", START + "n_c: 99999999999999999999", START + "n_c:", START + "n_c: ~",
    START + "n_c: []", START + "n_c: [[1]]", START + "n_c: [1,\n  2,\n  -3]",
    START + "n_c: {from: 4, to: 10}", START + "n_c: {from: 4, to: 10, step: 0}",
    START + "n_c: {from: 0, to: 9, stp: 3}", START + "n_c: 1\nmode: detached",
    START + "n_c: 1\nmode: {a: 1}", START + "n_c: 1\nrecompute: layers",
    START + "n_c: 1\nattention: flash", START + "n_c: 1\nrepeat: 0", START + "n_c: 1\nbatch: 0",
    START + "n_c: 1\nseed: -1", START + "n_c: 1\nthreads: 4096", START + "n_c: 1\ndropout: lots",
    START + "n_c: 1\nmemory: 12 GB", START + "n_c: 1\nlayers: 9223372036854775807",
    START + "n_c: 1\ntimings: maybe", START + "n_c: 1\nlengths: 4+4", "model: seed\nlengths: 4+4\nbatch: 2",
    "model: {heads: 4}\nn_g: 1\nn_c: 0", "model:\n  d_modle: 4\nn_g: 1\nn_c: 0",
    "model: {d_model: 64, heads: 4, d_ff: 8, vocab: 9}\nn_g: 1\nn_c: 1",
    "model: seed\nlengths: {n_c: [1, 2], n_g: [1], count: 3}", START + "<<: {n_c: 4}\nn_cc: 3",
]


@pytest.mark.parametrize("text", BAD_PROFILES)
def test_what_is_no_profile_is_refused(text: str) -> None:
    assert not takes("profile", parsed(text))


def gpus() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (ROOT / "python/ballast_probe/gpus.json").read_text(encoding="utf-8"))
    return found


def test_gpus() -> None:
    for gpu in gpus():
        hold("gpu", gpu)
    gpu = gpus()[0]
    for change in ({"name": 4}, {"memory_bytes": 0}, {"memory_bytes": 1 << 60}, {"memory": 4},
                   {"compute_capability": "9"}, {"compute_capability": 9.0}, {"context_bytes": -1},
                   {"multiprocessors": "132"}):
        assert not takes("gpu", gpu | change), change
    for key in ("name", "multiprocessors", "compute_capability", "context_bytes"):
        assert not takes("gpu", {name: value for name, value in gpu.items() if name != key})


def recorded(name: str) -> dict[str, Any]:
    with gzip.open(RECORDINGS / name) as file:
        found: dict[str, Any] = json.load(file)
    return found


@pytest.mark.parametrize("name", [
    "llama-3.1-8b/recording.json.gz", "published/megatron-fp16-1.json.gz",
    "published/megatron-bf16-2.json.gz"])
def test_recordings(name: str) -> None:
    hold("recording", recorded(name))


Change = Callable[[dict[str, Any]], Any]
CHANGES: list[Change] = [
    lambda one: one.update(format="other"), lambda one: one.update(version=2),
    lambda one: one.update(device="tpu"), lambda one: one.update(ranks=0),
    lambda one: one.update(events=["0"]), lambda one: one.update(boundaries=[-1]),
    lambda one: one["phases"][0].update(name="before"), lambda one: one["phases"][0].pop("step"),
    lambda one: one["tables"].update(roles=["weight"]), lambda one: one["tables"]["regions"].append([1]),
    lambda one: one["tables"]["shapes"].append([-1]), lambda one: one["tensors"]["bytes"].append(0),
    lambda one: one["tensors"].pop("kept"), lambda one: one["tensors"]["kept"].append(2),
    lambda one: one["tensors"]["layer"].append(-2), lambda one: one["gpu"].pop("name"),
    lambda one: one["made"].update(by={"torch": []}), lambda one: one.update(not_modelled=[{"op": "a"}]),
    lambda one: one.update(laws={}), lambda one: one.update(point=[]), lambda one: one.update(call=None),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_what_is_no_recording_is_refused(change: Change) -> None:
    whole = recorded("published/megatron-fp16-1.json.gz")
    for name in ("events", "boundaries"):
        whole[name] = whole[name][:2]
    whole["tensors"] = {name: column[:2] for name, column in whole["tensors"].items()}
    hold("recording", whole)
    other = copy.deepcopy(whole)
    change(other)
    assert not takes("recording", other)


def test_what_is_no_law_is_refused() -> None:
    whole = recorded("llama-3.1-8b/recording.json.gz")
    laws = whole["laws"]
    for name in ("events", "boundaries", "phases"):
        whole[name] = whole[name][:2]
    whole["tensors"] = {name: column[:2] for name, column in whole["tensors"].items()}
    for name in ("values", "tensors", "launches", "law"):
        laws[name] = laws[name][:2]
    hold("recording", whole)
    for change in ({"variables": ["n_x"]}, {"solves": "n_x"}, {"tokens": [1]}, {"batch": [0, 1]},
                   {"values": [["^", 0, 0]]}, {"values": [["+", 0]]}, {"values": [["bits", 0, 0]]},
                   {"tensors": [{"bytes": 0, "shape": [], "regions": [0]}]}, {"law": [-2]},
                   {"launches": [[{"when": [[0, 2]], "steps": []}]]},
                   {"launches": [[{"when": [], "steps": ["inputs"]}]]}, {"blocks": {}}):
        assert not takes("recording", whole | {"laws": laws | change}), change


def test_the_files_of_a_probe() -> None:
    row = files.Row("mine", PointOptions(n_c=4, n_g=4), None, "2026-01-01T00:00:00Z", "no", "failed")
    values = json.loads(files.sweep_json([row], {"model_type": "llama"}))
    hold("sweep", values)
    for change in ({"schema": "2"}, {"points": -1}, {"complete": 1}, {"source": {}},
                   {"shard": {"index": 0, "count": 3}}, {"points_digest": ""}):
        assert not takes("sweep", values | change), change
