"""Lists every tensor that a PyTorch training step keeps for its backward pass.

    with ballast_probe.record(model) as probe:
        loss = model(input_ids=ids, labels=labels).loss
        probe.boundary(loss)
    print(probe.retained_bytes, probe.saved)

`step` records every allocation of a training step, on a virtual GPU or as a CPU makes them:

    with ballast_probe.step(device="cuda", gpu="h100") as recording:
        train_step(batch)

`fit` finds the longest prompt with which such a step fits a GPU:

    found = ballast_probe.fit(train, n_g=512, gpu="h100")

`probe_configuration` asks the same of a transformers configuration, without memory for its weights.
"""

from .errors import OutOfMemory, ProbeError, UsageError
from .laws.api import fit
from .laws.fitting import Fit
from .options import PointOptions
from .points import Prober, ProbeResult, probe_configuration
from .recorder import Probe, Saved, record, settle
from .recording import Recording, step
from .regions import Layout, RegionBytes

__all__ = [
    "Fit", "Layout", "OutOfMemory", "PointOptions", "Probe", "ProbeError", "ProbeResult", "Prober",
    "Recording", "RegionBytes", "Saved", "UsageError", "fit", "probe_configuration", "record", "settle",
    "step",
]
