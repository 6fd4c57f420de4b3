"""Records a training step of the caller's own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from .. import versions
from ..errors import ProbeError, UsageError
from ..regions import Layout
from . import processes
from .arguments_of_step import refuse_arguments
from .gpus import gpu_of
from .copies import copying
from .kernels import CudaKernels
from .limits import limits
from .loading import loading_here
from .phases import Phases
from .reads import Reads, Values
from .recorder import Recorder
from .recording import Recording
from .resizing import resizing
from .rules import Setting, following
from .saving import saving_nothing
from .stream import Stream, exactly, to_blocks
from .subclasses import import_first, making_subclasses
from .triton import refusing_triton
from .virtual import taking_over, virtual_device

DEVICES = ("cuda", "cpu")

_ON_HOST = ("nothing was allocated on the GPU: the step ran on the host, for real. Move the model "
            "and its data to cuda inside the block, or give the model to step(model); "
            "make a Trainer inside the block, since it chooses its device when it is made")


@contextlib.contextmanager
def step(
    model: torch.nn.Module | None = None, *, device: str = "cuda", gpu: Any = "h100",
    layout: Layout | None = None, attention: str = "auto", reads: Values = None,
    is_packed: bool = False, is_padded: bool = False, without: Sequence[str] = (),
    ranks: int = 1, rank: int = 0,
) -> Iterator[Recording]:
    """Records what a training step allocates and releases, without computing it.

        with ballast_probe.step(device="cuda", gpu="h100") as recording:
            train_step(batch)
        recording.write("recording.json.gz")

    Inside, every tensor is one of shapes alone. With `cuda` a virtual GPU answers as a real one:
    what is made or moved there counts, what stays on the host does not. With `cpu` everything
    counts, as PyTorch's allocator of a CPU has it.

    Args:
        model: Its tensors are on the device already, and its modules name what they make. A model
            that is made or moved to the device inside needs no mention.
        device: `cuda` or `cpu`.
        gpu: The name of a GPU, or an entry of one's own; not looked at with `cpu`.
        layout: Which tokens are the prefix's; without it every byte is `shared`.
        attention: The backend of scaled dot products: `auto` for what PyTorch chooses on the GPU,
            or `flash`, `efficient`, `cudnn` or `math`.
        is_packed: Whether several sequences lie in a row, which transformers' masks ask.
        is_padded: Whether the batch has padding, which they ask as well.
        reads: Values for the places where the step reads a tensor's value: one for all, or by line,
            `{"train.py:42": 3.0}`.
        without: Names of rules that are left out, to see what they are worth.
        ranks: How many processes train together. With more than one a process group is there, of
            which this is one; `init_process_group` and meshes in the step are its own.
        rank: Which of them is recorded.

    Yields:
        The recording, final at the end of the block.

    Raises:
        ProbeError: The step reads values, or runs what has no rule of shapes.
        UsageError: There is no such device, GPU or rule.
    """
    refuse_arguments(model=model, layout=layout, attention=attention, reads=reads,
                     is_packed=is_packed, is_padded=is_padded, without=without)
    if device not in DEVICES:
        raise UsageError(f"device is '{device}' and must be one of {', '.join(DEVICES)}")
    if type(ranks) is not int or not 1 <= ranks <= processes.MOST_RANKS:
        raise UsageError(f"ranks is {ranks} and must be from 1 to {processes.MOST_RANKS}")
    if type(rank) is not int or not 0 <= rank < ranks:
        raise UsageError(f"rank is {rank} and must be from 0 to {ranks - 1}")
    import_first()
    if any(isinstance(mode, Recorder) for mode in _get_current_dispatch_mode_stack()):
        raise UsageError("a step is being recorded already; leave its block before the next one")
    is_cuda = device == "cuda"
    chip = gpu_of(gpu) if is_cuda else None
    stream = Stream(to_blocks if is_cuda else exactly)
    recording = Recording(stream, device, layout=layout, gpu=chip.values() if chip else None,
                          ranks=ranks, rank=rank)
    recording.options = {"device": device, "gpu": chip.name if chip else None,
                         "attention": attention if chip else None,
                         "without": list(without) or None}
    recording.assumptions += processes.notes(ranks, device, rank)
    if chip is not None and (sentence := versions.of_recorder()) is not None:
        recording.assumptions.append(sentence)
    with contextlib.ExitStack() as stack:
        if ranks > 1:
            stack.enter_context(processes.process_group(ranks, rank))
        fake = FakeTensorMode(allow_non_fake_inputs=True)
        phases = Phases()
        recorder = Recorder(stream, fake, phases.modules, is_everything=not is_cuda,
                            reads=Reads(reads, []))
        stack.callback(_quiet())
        stack.enter_context(refusing_triton())
        stack.enter_context(loading_here())
        stack.enter_context(taking_over())
        stack.enter_context(resizing(recorder))
        stack.enter_context(making_subclasses(fake))
        stack.enter_context(following(
            Setting(recorder, chip, attention, is_packed, is_padded, layout), device, without,
            recording.assumptions))
        stack.enter_context(phases.watching(recorder))
        if is_cuda:
            stack.enter_context(limits(recording.assumptions))
        stack.enter_context(saving_nothing(recording.assumptions))
        stack.enter_context(copying(recorder.reads))
        stack.enter_context(fake)
        stack.enter_context(recorder)
        if chip is not None:
            recorder.kernels = CudaKernels(chip)
            stack.enter_context(virtual_device(recorder, chip))
        stack.callback(recorder.close)
        if model is not None:
            for tensor in [*model.parameters(), *model.buffers()]:
                recorder.know(tensor)
            phases.name(model)
        try:
            yield recording
            if chip is not None and phases.has_trained and not stream.tensors:
                raise ProbeError(_ON_HOST)
        except BaseException as error:
            recording.assumptions.append(
                f"the step ended in {type(error).__name__}: what would have come after is missing")
            raise
        finally:
            recorder.close()
            stream.settle()
            recording.not_modelled = dict(recorder.not_modelled)
            if isinstance(recorder.kernels, CudaKernels):
                recording.assumptions += recorder.kernels.notes()
            recording.is_final = True


def _quiet() -> Any:
    """Keeps PyTorch from saying what an exception says already; gives what undoes that."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    return lambda: logger.setLevel(level)
