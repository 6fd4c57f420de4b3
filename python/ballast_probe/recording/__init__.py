"""Records any PyTorch training step as a device would hold it."""

from .recording import Recording
from .step import step
from .stream import Peak, Phase, Role, Stream, Tensor

__all__ = ["Peak", "Phase", "Recording", "Role", "Stream", "Tensor", "step"]
