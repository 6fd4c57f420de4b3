"""Which fields a configuration class of transformers has, and what values they may have."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import ProbeError, UsageError

_KEYWORD = re.compile(r"kwargs(?:\.get|\.pop)?[(\[]\s*\"(\w+)\"|\"(\w+)\" (?:not )?in kwargs")
_IN_MODEL = re.compile(r"config\.(\w+)|config, \"(\w+)\"")
# Read wherever a configuration has rotary positions, which says so nowhere else.
_EVERYWHERE = {"rope_theta", "rope_scaling", "partial_rotary_factor", "torch_dtype"}

# Of the standard names; None where a model has no such size.
_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
          "intermediate_size", "head_dim", "vocab_size")
_COUNT = re.compile(r"(^|_)(layers?|heads?|experts?|size|dim|embd|inner)$")


def source_of(thing: Any) -> str:
    """The text of a class or module; empty where there is none."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


@functools.cache
def known_fields(config_class: type) -> frozenset[str]:
    """The names that a configuration class takes: fields, aliases, keywords that it asks for."""
    names = set(_EVERYWHERE)
    for kind in config_class.__mro__:
        if dataclasses.is_dataclass(kind):
            names |= {field.name for field in dataclasses.fields(kind)}
        names |= getattr(kind, "attribute_map", {}).keys()
        names |= {name for name, value in vars(kind).items()
                  if isinstance(value, property) and value.fset is not None}
        if kind.__module__.startswith("transformers.models."):
            init = getattr(kind, "__init__")
            if inspect.isfunction(init):
                names |= inspect.signature(init).parameters.keys()
            names |= {one or other for one, other in _KEYWORD.findall(source_of(kind))}
    own = {"self", "args", "kwargs"}
    return frozenset(name for name in names - own if not name.startswith("_"))


@functools.cache
def _read_by_model(config_class: type) -> frozenset[str]:
    """The names that the family's model code reads of a configuration."""
    try:
        module = importlib.import_module(
            config_class.__module__.replace(".configuration_", ".modeling_"))
    except Exception:  # packages that are not installed
        return frozenset()
    return frozenset(one or other for one, other in _IN_MODEL.findall(source_of(module)))


def is_known(config_class: type, name: str) -> bool:
    """Whether a configuration class takes a name, or its model's code reads it."""
    return name in known_fields(config_class) or name in _read_by_model(config_class)


def meant(config_class: type, name: str, *, cutoff: float = 0.75) -> str | None:
    """The field whose name is most like another; None if none is."""
    return next(iter(difflib.get_close_matches(name, known_fields(config_class), 1, cutoff)), None)


def parts(config_class: Any, values: Mapping[str, Any]) -> dict[str, type]:
    """The classes of the configurations inside a configuration, by the names of their fields.

    Where any class may stand, `values` says which, or else the configuration's default.
    """
    from transformers import CONFIG_MAPPING

    found = {}
    for name, spec in getattr(config_class, "sub_configs_defaults", {}).items():
        kind = getattr(spec, "config_class", None)
        if not hasattr(kind, "attribute_map"):
            value = values.get(name)
            given = value.get("model_type") if isinstance(value, Mapping) else None
            model_type = given or getattr(spec, "model_type", None)
            kind = CONFIG_MAPPING[model_type] if model_type in CONFIG_MAPPING else None
        if isinstance(kind, type):
            found[name] = kind
    return found


def require_fields(config_class: type, settings: Mapping[str, Any], values: Mapping[str, Any],
                   above: str = "") -> None:
    """Refuses names that a configuration does not have, in its parts as well.

    Args:
        config_class: The configuration's class.
        settings: What is to be set of it.
        values: What the configuration holds.
        above: The names of the parts that it is inside of, each with a dot.

    Raises:
        UsageError: One sentence names the first, and what it was meant to be.
    """
    inside = parts(config_class, values)
    for name, value in settings.items():
        if not is_known(config_class, name):
            like = meant(config_class, name)
            hint = f"; did you mean {above}{like}?" if like else ""
            raise UsageError(f"--set {above}{name}: transformers' {config_class.__name__} has no "
                             f"such field{hint}")
        if isinstance(value, Mapping) and name in inside:
            below = values.get(name)
            require_fields(inside[name], {one: two for one, two in value.items()
                                          if one != "model_type"},
                           below if isinstance(below, Mapping) else {}, f"{above}{name}.")


def misspelled(config_class: type, names: Iterable[str]) -> dict[str, str]:
    """Names that no code reads and that are almost a size's which is not among them."""
    given = set(names)
    found = {}
    for name in sorted(given):
        like = meant(config_class, name, cutoff=0.9)
        if like is not None and _COUNT.search(like) and like not in given \
                and not is_known(config_class, name):
            found[name] = like
    return found


def standard(config: Any, name: str) -> Any:
    """A value by its standard name; None where a model has none, or another in every layer."""
    try:
        return getattr(config, name)
    except Exception:  # transformers has errors of its own for values that differ by layer
        return None


def require_sizes(config: Any) -> None:
    """Refuses sizes that no model has.

    Raises:
        ProbeError: One sentence names the first.
    """
    aliases = getattr(type(config), "attribute_map", {})
    for name in _SIZES:
        value = standard(config, name)
        own = aliases.get(name, name)
        if value is None or isinstance(value, (list, tuple)):
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise ProbeError(f"the configuration's {own} is {value!r} and must be a whole number")
        if value < 1:
            raise ProbeError(f"the configuration's {own} is {value} and must be at least 1")
    for name, value in vars(config).items():
        if isinstance(value, int) and value < 0 and _COUNT.search(name):
            raise ProbeError(f"the configuration's {name} is {value} and must not be negative")
