"""The versions of PyTorch and transformers with which Ballast's recipes were checked."""

from collections.abc import Mapping
from importlib import metadata

CHECKED = {"torch": "2.13.0", "transformers": "5.23.0"}


def installed() -> dict[str, str]:
    """The installed versions of the packages that decide what is saved, by name."""
    return {name: metadata.version(name) for name in CHECKED}


def own() -> str:
    """This package's version; that of the source tree where it is not installed."""
    try:
        return metadata.version("ballast")
    except metadata.PackageNotFoundError:
        return "0.1.0"


def warning() -> str | None:
    """One sentence if other versions are installed than were checked; None if they are the same.

    A local label as in `2.13.0+cpu` is no other version.
    """
    found = installed()
    if all(found[name].split("+")[0] == version for name, version in CHECKED.items()):
        return None
    return (f"Ballast's transformers recipes were checked with {_listed(CHECKED)}, and this is "
            f"{_listed(found)}; the bytes below are what this version keeps")


def of_recorder() -> str | None:
    """One sentence if a step is recorded with another PyTorch than its rules are read from."""
    torch = metadata.version("torch").split("+")[0]
    if torch == CHECKED["torch"]:
        return None
    return (f"the rules of the virtual GPU are those of torch {CHECKED['torch']}, and this is torch "
            f"{torch}")


def _listed(versions: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {version}" for name, version in versions.items())
