"""Configurations of models: where they come from, and what of them stands in result files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from . import fields, hub
from .errors import ProbeError, UsageError
from .heads import CAUSAL as _CAUSAL
from .heads import require_causal, require_head, text_model
from .reading import read_json
from .words import first_line

# Where transformers looks for the text model of a configuration of several parts.
_TEXT = ("text_config", "decoder", "generator")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_QUANTIZED = ("quantization_config", "compression_config")


def built_in() -> list[str]:
    """The names of the configurations that come with the package."""
    return sorted(path.stem for path in hub.MODELS.glob("*.json"))


def configuration_file(source: str) -> Path:
    """The file that a configuration is read from, whether or not there is one.

    What is there under a path comes first, then a built-in name, then a name on the Hugging Face Hub.

    Raises:
        ProbeError: The Hugging Face cache does not say which of its files is meant.
    """
    path = Path(source)
    if path.is_dir():
        return path / "config.json"
    if source in built_in():
        return hub.MODELS / f"{source}.json"
    return path if path.exists() else hub.configuration_file(source) or path


def read_configuration(source: str) -> tuple[str, dict[str, Any]]:
    """The name and the contents of a configuration.

    Args:
        source: A `config.json`, a directory that holds one, a built-in name, or a name on the Hugging Face
            Hub that is in the cache of this machine or a built-in model's.

    Raises:
        ProbeError: There is no such file or name, or it holds no configuration.
    """
    path = configuration_file(source)
    if not path.exists() and path == Path(source):
        raise ProbeError(_unknown(source))
    values = read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise ProbeError(f"{path} is no configuration: it has no model_type")
    name = source if source in built_in() and not Path(source).exists() else source.rstrip("/")
    return name, values


def _unknown(source: str) -> str:
    """The sentence for what is neither a file nor a name."""
    model = hub.HubName.read(source)
    meant = hub.meant(model.name if model else source, built_in())
    if model is not None and not Path(model.owner).exists():
        return hub.missing(model, meant)
    return f"'{source}' is no file, no directory and no built-in model" + (
        f"; did you mean '{meant}'?" if meant else
        " (ballast models lists those); give its config.json, or its name on the Hugging Face Hub")


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
        except (ValueError, RecursionError):
            settings[name] = value
    return settings


def with_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with some values set: `name`, or `text_config.name` for one inside a part.

    Names of the text model alone may stand without their part.

    Raises:
        UsageError: The configuration has no such field.
    """
    values = dict(values)
    config_class = _class_of(values)
    if config_class is None:
        return {**values, **settings}  # make_configuration says that there is none
    inside = fields.parts(config_class, values)
    for name, value in settings.items():
        part, dot, rest = name.partition(".")
        if not dot and name not in fields.known_fields(config_class):
            part = next((one for one in _TEXT if isinstance(values.get(one), Mapping)
                         and one in inside and name in fields.known_fields(inside[one])), name)
            rest, dot = (name, ".") if part != name else ("", "")
        if dot:
            if part not in inside:
                raise UsageError(f"--set {name}: transformers' {config_class.__name__} has no part "
                                 f"'{part}'")
            value = {rest: value}
        fields.require_fields(config_class, {part: value}, values)
        if part in inside and isinstance(value, Mapping):
            value = {**(values.get(part) or {}), **value}
        # An alias and the field itself are one.
        own = config_class.attribute_map.get(part, part)
        for other in [key for key, field in config_class.attribute_map.items() if field == own]:
            values.pop(other, None)
        values[own] = value
    return values


def _class_of(values: Mapping[str, Any]) -> Any:
    import transformers

    model_type = values.get("model_type")
    is_known = isinstance(model_type, str) and model_type in transformers.CONFIG_MAPPING
    return transformers.CONFIG_MAPPING[model_type] if is_known else None


@dataclass(frozen=True)
class Subject:
    """What is built of a configuration, and measured.

    Attributes:
        config: What the model is built from.
        text: The part with the sizes of the text model; `config` itself where there is but one.
        builder: transformers' class that builds it.
        notes: Sentences about what the figures leave out.
    """

    config: Any
    text: Any
    builder: str = _CAUSAL
    notes: tuple[str, ...] = ()


def make_subject(
    values: Mapping[str, Any], *, layers: int | None, dropout: float | None
) -> Subject:
    """What to build, with as many layers and as much dropout as was asked for.

    Raises:
        ProbeError: transformers does not know the model, or refuses a value, or it is no causal
            language model.
    """
    values = dict(values)
    notes = [f"the configuration's '{name}' is no field of {values.get('model_type')} in "
             f"transformers and changes nothing; did you mean {like}?"
             for name, like in _misspelled(values).items()]
    values.pop("auto_map", None)  # the code beside the weights is not run
    for name in _QUANTIZED:
        notes += [_quantized(one) for one in (values.pop(name, None),) if one]
    whole = make_configuration(values, layers=None, dropout=None)
    try:
        text = whole.get_text_config(decoder=True)
    except ValueError as error:
        raise ProbeError(f"transformers finds no single text model in this configuration of "
                         f"'{whole.model_type}': {first_line(error)}") from error
    is_whole = text is whole or whole.is_encoder_decoder
    require_head(values.get("architectures"), whole.model_type, has_parts=not is_whole)
    for path, part in [] if is_whole else _parts_above(whole, text):
        require_head(getattr(part, "architectures", None), part.model_type, has_parts=True,
                     part=path)
        notes += _stripped(part)
    if is_whole:
        require_causal(whole.model_type)
        config = text = make_configuration(values, layers=layers, dropout=dropout)
        builder = _CAUSAL
        if whole.is_encoder_decoder:
            notes.append(f"'{whole.model_type}' is an encoder and a decoder; what is measured is "
                         "its decoder, alone")
    else:
        config, builder = text_model(whole, text)
        if text.dtype is None:
            text.dtype = whole.dtype
        if layers is not None:
            _keep_layers(text, layers)
        for one in (text, config):
            if dropout is not None:
                set_dropout(one, dropout)
        notes.append(f"'{whole.model_type}' is more than a text model; what is measured is its "
                     f"text model, '{text.model_type}', and a prompt without pictures or sound")
    fields.require_sizes(text)
    return Subject(config, text, builder, tuple(dict.fromkeys(notes)))


def _parts_above(whole: Any, text: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The parts of a configuration that lead to its text model, which is the first, by path."""
    for name, part in vars(whole).items():
        if part is text:
            yield above + name, part
            return
        if hasattr(part, "get_text_config"):
            inside = list(_parts_above(part, text, f"{above}{name}."))
            if inside:
                yield from (*inside, (above + name, part))
                return


def _stripped(part: Any) -> list[str]:
    """Takes out of a part what is taken out of a whole configuration; notes about quantization."""
    notes = []
    for name in (*_QUANTIZED, "auto_map"):
        if (value := vars(part).pop(name, None)) and name in _QUANTIZED:
            notes.append(_quantized(value))
    return notes


def _misspelled(values: Mapping[str, Any]) -> dict[str, str]:
    if (config_class := _class_of(values)) is None:
        return {}
    found = fields.misspelled(config_class, values)
    for name, kind in fields.parts(config_class, values).items():
        if name in _TEXT and isinstance(inside := values.get(name), Mapping):
            found |= fields.misspelled(kind, inside)
    return found


def _quantized(settings: Any) -> str:
    settings = settings if isinstance(settings, Mapping) else getattr(settings, "__dict__", {})
    method = str(settings.get("quant_method") or "a method without a name")
    bits = 4 if settings.get("load_in_4bit") else 8 if settings.get("load_in_8bit") \
        else settings.get("bits")
    return (f"the weights are quantized ({method}{f', {bits} bits' if bits else ''}), and what is "
            "measured is the model without that: parameter bytes, and what quantized products "
            "keep, are others")


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
    if not isinstance(model_type, str) or model_type not in transformers.CONFIG_MAPPING:
        raise ProbeError(
            f"transformers {transformers.__version__} has no model type '{model_type}'; around a "
            "forward pass of its own, ballast_probe.record counts any model")
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
    known = _known_layers(whole, layers)
    kept = {name: value[:layers] if isinstance(value, list) and len(value) == known else value
            for name, value in values.items() if name not in _LAYERS}
    kinds = fields.standard(whole, "layer_types")
    is_own = "layer_types" in {field.name for field in dataclass_fields(type(whole))}
    if is_own and isinstance(kinds, list) and len(kinds) == known:
        kept.setdefault("layer_types", kinds[:layers])
    own = getattr(whole, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    return {**kept, own: layers}


def _keep_layers(config: Any, layers: int) -> None:
    """The same of a configuration that is made already."""
    known = _known_layers(config, layers)
    for name, value in list(vars(config).items()):
        if isinstance(value, list) and len(value) == known:
            setattr(config, name, value[:layers])
    config.num_hidden_layers = layers


def _known_layers(config: Any, layers: int) -> int:
    known = fields.standard(config, "num_hidden_layers")
    if not isinstance(known, int):
        raise UsageError(f"--layers: a configuration of '{config.model_type}' does not say how "
                         "many there are")
    if layers > known:
        raise UsageError(f"--layers is {layers}, and the model has {known}")
    return known


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
        values = (fields.standard(config, name) for name in names)
        return next((value for value in values if isinstance(value, int)), None)

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
