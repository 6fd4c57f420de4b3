"""What goes wrong, as one sentence for the person who asked."""


class ProbeError(Exception):
    """The probe cannot do what it was asked for; the text is one sentence."""


class OutOfMemory(ProbeError):
    """The device had not as much memory as the step asked for."""


class UsageError(ProbeError):
    """What was asked for cannot be meant: a value out of range, two that contradict each other."""
