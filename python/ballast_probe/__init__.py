"""Lists every tensor that a PyTorch training step keeps for its backward pass.

    with ballast_probe.record(model) as probe:
        loss = model(input_ids=ids, labels=labels).loss
        probe.boundary(loss)
    print(probe.retained_bytes, probe.saved)

`step` records every allocation of a training step, on a virtual GPU or as a CPU makes them:

    with ballast_probe.step(device="cuda", gpu="h100") as recording:
        train_step(batch)

`probe_configuration` asks the same of a transformers configuration, without memory for its weights.
"""

from .errors import OutOfMemory, ProbeError, UsageError
from .options import PointOptions
from .points import Prober, ProbeResult, probe_configuration
from .recorder import Probe, Saved, record, settle
from .recording import Recording, step
from .regions import Layout, RegionBytes

__all__ = [
    "Layout", "OutOfMemory", "PointOptions", "Probe", "ProbeError", "ProbeResult", "Prober",
    "Recording", "RegionBytes", "Saved", "UsageError", "probe_configuration", "record", "settle",
    "step",
]
