"""One point of a measurement: what the model saves, and which tokens its bytes belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .configuration import make_subject, read_configuration, sizes
from .errors import ProbeError
from .options import PointOptions
from .recorder import Saved, Totals, is_alike, settle
from .forward import Model, Step

# Steps of n_c and of n_g by which regions are found. Kernels that pad rows pad to 128 at most; the
# others serve where a longer sequence takes another way, as one beyond a sliding window does.
_STEPS = ((128, 256), (-128, 256), (16, 8), (-16, 8), (-3, 1))


@dataclass(frozen=True)
class ProbeResult(Totals):
    """What a point's forward pass keeps for its backward.

    Attributes:
        options: The point; `dtype` and `device` are those that were used.
        saved: The distinct storages, parameters aside, in the order of saving.
        parameter_bytes: Bytes of all parameters, tied ones once.
        gradient_bytes: Bytes of the gradients that the step makes.
        sizes: The model's sizes, by the columns of `points.csv`.
        loss: None on shapes alone.
        held_by_checkpoint_bytes: What checkpointed functions hold beside what hooks see; None if it
            cannot be known.
        cuda_before_bytes: What CUDA had allocated before the step; None elsewhere.
        cuda_bytes: What it had allocated at the boundary.
        cuda_peak_bytes: The most that it had allocated in forward and backward.
        notes: Sentences about how the figures came about.
    """

    options: PointOptions
    saved: list[Saved] = field(repr=False)
    parameter_bytes: int
    gradient_bytes: int
    sizes: dict[str, int | None]
    loss: float | None = None
    held_by_checkpoint_bytes: int | None = None
    cuda_before_bytes: int | None = None
    cuda_bytes: int | None = None
    cuda_peak_bytes: int | None = None
    notes: tuple[str, ...] = ()


class Prober:
    """A model, built once, that is asked about points that differ in lengths and batch alone."""

    def __init__(self, config: Any, options: PointOptions) -> None:
        """Builds the model.

        Args:
            config: A configuration of transformers, its contents as a mapping with a `model_type`,
                or a path or name as `--model` takes it.
            options: Every option but the lengths and the batch.
        """
        options.validate()
        if isinstance(config, (str, Path)):
            config = read_configuration(str(config))[1]
        if not isinstance(config, Mapping):
            config = {**config.to_dict(), "model_type": config.model_type}
        self._values = dict(config)
        self._options = options
        self._notes: list[str] = []
        self._models: dict[str, Model] = {}

    def _model(self, device: str) -> Model:
        if device not in self._models:
            subject = make_subject(self._values, layers=self._options.layers,
                                   dropout=self._options.dropout)
            self._models[device] = Model(subject, replace(self._options, device=device))
            self._notes += [note for note in subject.notes if note not in self._notes]
        return self._models[device]

    def _step(self, options: PointOptions) -> tuple[Step, PointOptions]:
        """Runs the point, on meta where fake tensors are impossible."""
        if options.device == "fake" and "fake" not in self._models and "meta" in self._models:
            options = replace(options, device="meta")
        try:
            return self._model(options.device).step(options), options
        except ProbeError as error:
            if options.device != "fake":
                raise
            on_meta = replace(options, device="meta")
            try:
                step = self._model("meta").step(on_meta)
            except ProbeError:
                raise error from None
            self._models.pop("fake", None)
            self._notes.append("fake tensors are impossible for this model, so it ran on meta, "
                               f"where sdpa takes other ways than on a CPU ({error})")
            return step, on_meta

    def probe(self, options: PointOptions) -> ProbeResult:
        """What a point keeps.

        Raises:
            ProbeError: It cannot be run.
        """
        options.validate()
        step, options = self._step(options)
        model = self._model(options.device)
        saved = self._settled(options, step.probe.saved)
        notes = [*self._notes, *step.probe.notes]
        if saved is None:
            saved = step.probe.saved
            notes.append("no run at other lengths saved the same tensors, so the regions are found "
                         "from sizes alone")
        return ProbeResult(
            options=replace(options, dtype=model.dtype), saved=saved,
            parameter_bytes=model.parameter_bytes, gradient_bytes=model.gradient_bytes,
            sizes=sizes(model.config), loss=step.loss,
            held_by_checkpoint_bytes=step.probe.held_by_checkpoint_bytes,
            cuda_before_bytes=step.cuda_before_bytes, cuda_bytes=step.cuda_bytes,
            cuda_peak_bytes=step.cuda_peak_bytes, notes=tuple(notes))

    def _settled(self, options: PointOptions, saved: list[Saved]) -> list[Saved] | None:
        """The storages with their regions from runs at other lengths; None if none is alike."""
        layout = options.layout
        if options.cut == 0:  # the graph is whole, and longer ones are to be as well
            options = replace(options, mode="full-graph", keep_prefix=0)
        devices = [options.device]
        if options.device == "cpu":
            devices.insert(0, "fake")  # costs nothing, if it saves the same
        for device in devices:
            for steps in _STEPS:
                a, b = steps
                others = [replace(options, device=device, n_c=options.n_c + c, n_g=options.n_g + g)
                          for c, g in ((a, 0), (0, b), (a, b))]
                if any(not _cuts_alike(other, options) for other in others):
                    continue
                runs = [saved]
                for other in others:
                    try:
                        runs.append(self._model(device).step(other).probe.saved)
                    except ProbeError:
                        break
                    if not is_alike(saved, runs[-1]):
                        break
                else:
                    return settle(runs, steps, layout)
        return None


def _cuts_alike(other: PointOptions, options: PointOptions) -> bool:
    """Whether a point is one, and cuts its prefix where the other does."""
    return (other.n_c >= 0 and other.n_g >= 1 and other.n_c + other.n_g >= 2
            and (other.cut > 0) == (options.cut > 0))


def probe_configuration(config: Any, options: PointOptions) -> ProbeResult:
    """What a transformers model keeps for the backward of one training step.

    Args:
        config: A configuration of transformers, its contents as a mapping with a `model_type`, or a
            path or name as `ballast-probe --model` takes it. Its dropouts are set as the options
            say; it is not changed itself.
        options: The point.

    Raises:
        ProbeError: One sentence says why it cannot be run.
    """
    return Prober(config, options).probe(options)
