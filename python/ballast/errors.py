"""What goes wrong in a step, as one sentence for the person who asked."""


class StepError(ValueError):
    """A step cannot be run as asked, or what it ran was not what it has to be."""
