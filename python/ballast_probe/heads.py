"""Which class of transformers builds a model, and whether its head is the one that is measured."""

from __future__ import annotations

from typing import Any

from .errors import ProbeError

CAUSAL = "AutoModelForCausalLM"
_IMAGES, _ANY = "AutoModelForImageTextToText", "AutoModelForMultimodalLM"


def _names(builder: str) -> dict[str, str]:
    """The model classes that a builder knows, by the type of the model."""
    from transformers.models.auto import modeling_auto

    table = {CAUSAL: "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
             _IMAGES: "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
             _ANY: "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"}[builder]
    return dict(getattr(modeling_auto, table, {}))


def require_causal(model_type: str) -> None:
    """Refuses a model that transformers builds no causal language model of.

    Raises:
        ProbeError: It does not.
    """
    if model_type not in _names(CAUSAL):
        raise ProbeError(
            f"transformers builds no causal language model of type '{model_type}'; around its own "
            "forward pass, ballast_probe.record counts any model")


def require_head(
    architectures: Any, model_type: str, *, has_parts: bool, part: str | None = None
) -> None:
    """Refuses a configuration whose model has another head than the causal language model's.

    Args:
        architectures: What the configuration says.
        model_type: The model's type.
        has_parts: Whether a text model is a part of it, which is measured in its place.
        part: The path of the part that says so, such as `text_config`; None for the whole. A part
            may be of a model without a head: the head stands outside of it.

    Raises:
        ProbeError: It has.
    """
    if isinstance(architectures, str):
        architectures = [architectures]
    if not isinstance(architectures, list) or not architectures:
        return
    known = set(_names(CAUSAL).values())
    if has_parts:
        known |= {name for builder in (_IMAGES, _ANY) for name in _names(builder).values()}
    endings = ("ForCausalLM", "LMHeadModel", *(("ForConditionalGeneration",) if has_parts else ()),
               *(("Model",) if part else ()))
    for name in map(str, architectures):
        if name not in known and not name.endswith(endings):
            whose, within = (f"'s {part}", f"{part}.") if part else ("", "")
            # --set reaches into a part, and no further.
            otherwise = "" if within.count(".") > 1 else (
                f"--set {within}architectures=null measures one of type '{model_type}' with the "
                "same sizes, and ")
            raise ProbeError(
                f"the configuration{whose} is of {name}, and the probe measures causal language "
                f"models alone: {otherwise}ballast_probe.record counts any model around its own "
                "forward pass")


def text_model(whole: Any, text: Any) -> tuple[Any, str]:
    """What to build of a configuration of several parts, to run its text model, and by which class.

    The text model alone where transformers has it as a model of its own; else all of it, of which
    only the text model runs.

    Raises:
        ProbeError: transformers has neither.
    """
    causal = _names(CAUSAL)
    # transformers goes by the class; a file may call the part of another class by any type.
    if type(text).model_type in causal:
        return text, CAUSAL
    for builder in (CAUSAL, _IMAGES, _ANY):
        if whole.model_type in _names(builder):
            return whole, builder
    raise ProbeError(
        f"transformers builds no language model of type '{whole.model_type}', nor of its text "
        f"model '{text.model_type}'; around its own forward pass, ballast_probe.record counts any "
        "model")
