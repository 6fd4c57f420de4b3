"""Models under the names they have on the Hugging Face Hub: in the cache on this machine, or built in.

The cache is only read: `models--ORG--NAME/refs/main` holds a commit, `snapshots/COMMIT/config.json` is a
link into `blobs`. The program `ballast` looks in the same places (Sources/HuggingFace/HubCache.swift).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import ProbeError
from .words import printable

MODELS = Path(__file__).parent / "models"
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(rf"({_PART})/({_PART})(?:@({_PART}(?:/{_PART})*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_BYTES = 4096


@dataclass(frozen=True)
class HubName:
    """A name such as `Qwen/Qwen3-8B`, perhaps with a branch, a tag or a commit behind an `@`."""

    owner: str
    model: str
    revision: str | None = None

    @classmethod
    def read(cls, text: str) -> HubName | None:
        """The name that a text is; None for one that cannot be such a name.

        No part of it starts with a point, so that none leads out of a folder.
        """
        found = _NAME.fullmatch(text)
        if found is None or found[2].endswith(".json") \
                or not all(re.search("[A-Za-z]", part) for part in (found[1], found[2])):
            return None
        return cls(found[1], found[2], found[3])

    @property
    def name(self) -> str:
        """The owner and the name."""
        return f"{self.owner}/{self.model}"

    @property
    def download(self) -> str:
        """The command that brings the model's configuration, and none of its weights."""
        revision = f" --revision {self.revision}" if self.revision else ""
        return f"hf download {self.name} config.json{revision}"


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where `huggingface_hub` keeps what it has downloaded; an empty variable is not set."""
    values = os.environ if environment is None else environment

    def given(name: str) -> str | None:
        return os.path.expanduser(values[name]) if values.get(name) else None

    if path := given("HF_HUB_CACHE") or given("HUGGINGFACE_HUB_CACHE"):
        return Path(path)
    if home := given("HF_HOME"):
        return Path(home, "hub")
    return Path(given("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface", "hub")


def find(model: HubName, folder: Path) -> Path | None:
    """The snapshot of a model in a cache, with a `config.json` in it or not; None if there is none.

    Without a revision it is `main`, or the only snapshot there is.

    Raises:
        ProbeError: The file of a revision names no commit, or there are several snapshots and nothing
            says which is meant.
    """
    place = folder / f"models--{model.owner}--{model.model}"
    snapshots = place / "snapshots"
    commit = _commit(place / "refs" / (model.revision or "main"), model) or model.revision
    if commit is not None:
        snapshot = snapshots / commit
        return snapshot if os.path.isdir(snapshot) else None
    try:
        found = sorted(path for path in snapshots.iterdir()
                       if os.path.isdir(path) and not path.name.startswith("."))
    except OSError:
        return None
    if len(found) > 1:
        raise ProbeError(f"{place} holds {len(found)} snapshots and no refs/main to say which is meant; "
                         f"name one, such as {model.name}@{printable(found[0].name)}")
    return found[0] if found else None


def _commit(file: Path, model: HubName) -> str | None:
    """The commit that a file of `refs` names; None if there is no such file."""
    if not os.path.isfile(file):
        if os.path.exists(file) and not (os.path.isdir(file) and model.revision):
            raise ProbeError(f"{file} is no regular file")
        return None
    try:
        with open(file, "rb") as stream:
            text = stream.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise ProbeError(f"{file} cannot be read: {error.strerror}") from error
    if _COMMIT.fullmatch(text) is None:
        raise ProbeError(f"{file} names no commit, which is 40 hexadecimal digits; it is written again "
                         f"by {model.download}")
    return text


@cache
def public_names() -> dict[str, str]:
    """The names of built-in models by their names on the Hub."""
    with open(MODELS / "models.csv", newline="", encoding="utf-8") as file:
        return {row["public_name"]: row["name"] for row in csv.DictReader(file) if row["public_name"]}


def configuration_file(source: str) -> Path | None:
    """The configuration of a name on the Hub; None if a text is no such name, or nothing has it.

    Raises:
        ProbeError: The cache does not say which of its files is meant.
    """
    model = HubName.read(source)
    if model is None:
        return None
    snapshot = find(model, cache_folder())
    if snapshot is not None and os.path.exists(snapshot / "config.json"):
        return snapshot / "config.json"
    name = public_names().get(source)
    return MODELS / f"{name}.json" if name else None


def missing(model: HubName, meant: str | None) -> str:
    """The sentence for a name that is nowhere."""
    folder = cache_folder()
    asked = model.name + (f"@{model.revision}" if model.revision else "")
    snapshot = find(model, folder)
    place = f"is no directory here and not in the Hugging Face cache ({folder})" if snapshot is None \
        else f"has no config.json in the Hugging Face cache ({snapshot})"
    other = f", or give '{meant}', which is built in" if meant else ""
    return f"'{asked}' {place}; fetch its configuration, which is enough, with {model.download}{other}"


def meant(text: str, names: list[str]) -> str | None:
    """The built-in model that a name was meant to be of; another number is another model, not a slip."""
    ours = {_folded(name): name for name in names}
    public = {_folded(name): ours_name for name, ours_name in public_names().items()}
    wanted = _folded(text)
    without_owner = {_folded(name.partition("/")[2]): ours_name for name, ours_name in public_names().items()}
    if found := without_owner.get(_folded(text.rsplit("/", 1)[-1])):
        return found
    word = text.rsplit("/", 1)[-1].lower().removeprefix("meta-")
    for form in ("-hf", "-instruct", "-base", "-chat", "-it", "-pt"):
        word = word.replace(form + "-", "-").removesuffix(form)
    for candidate in (word, re.sub(r"-v(0\.[123]|1\.0)$", "", word)):
        if _folded(candidate) in ours:
            return ours[_folded(candidate)]
    slips = [(_folded(word), ours)] + ([(wanted, public)] if "/" in text else [])
    for one, all_names in slips:
        for other, name in all_names.items():
            if _digits(one) == _digits(other) and _is_slip(one, other):
                return name
    return None


def _folded(text: str) -> str:
    return re.sub(r"[-_. ]", "", text.lower())


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_slip(one: str, other: str) -> bool:
    """Whether a word is another with a letter or two wrong."""
    most = 1 if min(len(one), len(other)) < 6 else 2
    if min(len(one), len(other)) < 3 or len(one) > 128 or abs(len(one) - len(other)) > most:
        return False
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1] <= most
