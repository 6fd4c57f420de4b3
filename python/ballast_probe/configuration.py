"""Configurations of models: where they come from, and what of them stands in result files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ProbeError, UsageError

_BUILT_IN = Path(__file__).parent / "models"
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def built_in() -> list[str]:
    """The names of the configurations that come with the package."""
    return sorted(path.stem for path in _BUILT_IN.glob("*.json"))


def read_configuration(source: str) -> tuple[str, dict[str, Any]]:
    """The name and the contents of a configuration.

    Args:
        source: A `config.json`, a directory that holds one, or a built-in name.

    Raises:
        ProbeError: There is no such file or name, or it holds no configuration.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "config.json"
    elif source in built_in():
        path = _BUILT_IN / f"{source}.json"
    elif not path.exists():
        raise ProbeError(f"'{source}' is no file, no directory and no built-in model "
                         f"({', '.join(built_in())})")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProbeError(f"{path} cannot be read as a configuration: "
                         f"{getattr(error, 'strerror', None) or error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise ProbeError(f"{path} is no configuration: it has no model_type")
    name = source if source in built_in() and not Path(source).exists() else source.rstrip("/")
    return name, values


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """Reads `hidden_size=64`: values are JSON, and text where they are not.

    Raises:
        UsageError: There is no `=`, or no name before it.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--set '{text}' is not of the form name=value")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def make_configuration(
    values: Mapping[str, Any], *, layers: int | None, dropout: float | None
) -> Any:
    """A configuration of transformers, with as many layers and as much dropout as was asked for.

    Raises:
        ProbeError: transformers does not know the model, or refuses a value.
    """
    import transformers

    values = dict(values)
    model_type = values.pop("model_type", None)
    if model_type not in transformers.CONFIG_MAPPING:
        raise ProbeError(
            f"transformers {transformers.__version__} has no model type '{model_type}'")
    if layers is not None:
        values = _with_layers(model_type, values, layers)
    try:
        config = transformers.AutoConfig.for_model(model_type, **values)
    except Exception as error:
        raise ProbeError(f"transformers refuses this configuration of '{model_type}': "
                         f"{first_line(error)}") from error
    if dropout is not None:
        set_dropout(config, dropout)
    return config


def _with_layers(model_type: str, values: dict[str, Any], layers: int) -> dict[str, Any]:
    """Keeps the first layers, and of every list with an entry a layer the first entries."""
    whole = make_configuration({"model_type": model_type, **values}, layers=None, dropout=None)
    known = int(whole.num_hidden_layers)
    if layers > known:
        raise UsageError(f"--layers is {layers}, and the model has {known}")
    kept = {name: value[:layers] if isinstance(value, list) and len(value) == known else value
            for name, value in values.items() if name not in _LAYERS}
    own = getattr(whole, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    return {**kept, own: layers}


def set_dropout(config: Any, probability: float) -> None:
    """Sets every dropout probability of a configuration; no layer is ever dropped."""
    for name, value in list(vars(config).items()):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if "layerdrop" in name:
            setattr(config, name, 0.0)
        elif "dropout" in name or "pdrop" in name or name.endswith("_drop"):
            setattr(config, name, probability)


def dtype_of(config: Any) -> str:
    """The configuration's own type as a word, or else `float32`."""
    dtype = getattr(config, "dtype", None)
    return "float32" if dtype is None else str(dtype).removeprefix("torch.")


def sizes(config: Any) -> dict[str, int | None]:
    """What result files say of a model; None for what its configuration does not say."""
    def size(*names: str) -> int | None:
        for name in names:
            with contextlib.suppress(AttributeError):
                if isinstance(value := getattr(config, name), int):
                    return value
        return None

    width, heads = size("hidden_size"), size("num_attention_heads")
    head = size("head_dim") or (width // heads if width and heads else None)
    inner = size("intermediate_size", "n_inner", "ffn_dim")
    if inner is None and config.model_type == "gpt2" and width:
        inner = 4 * width
    return {
        "layers": size("num_hidden_layers"), "d_model": width, "heads": heads,
        "kv_heads": size("num_key_value_heads") or heads, "d_head": head, "d_ff": inner,
        "vocab": size("vocab_size"),
    }


def first_line(error: BaseException) -> str:
    """An error's first sentence, without the full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return text.split(". ")[0].rstrip(".")[:300]
