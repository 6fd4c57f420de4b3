"""Fits a training step of the caller's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import UsageError
from ..recording.recording import Recording
from ..recording.step import step
from ..regions import Layout
from .fitting import Fit, Fitter, Model, batches, prompts
from .planner import Question, require_program


def fit(run: Callable[..., object], *, n_c: int | None = None, n_g: int = 512, batch: int = 1,
        gpu: Any = "h100", memory: str | None = None, most_tokens: int | None = None,
        windows: Sequence[int] = (), say: Callable[[str], None] = lambda _: None,
        **options: Any) -> Fit:
    """The longest prefix, or the largest batch, with which a step of one's own fits a GPU.

        def train(n_c, n_g):                      # everything that the step needs is made in here
            model = build().cuda()
            loss = model(**batch_of(n_c, n_g)).loss
            loss.backward()
            torch.optim.AdamW(model.parameters()).step()

        found = ballast_probe.fit(train, n_g=512, gpu="h100", most_tokens=131_072)
        print(found.n_c, found.summary())
        found.write("recordings/mine/")

    The step is recorded at a few lengths, and at the answer and one past it.

    Args:
        run: Runs the step with a prefix and a completion of so many tokens; with `n_c` it is given
            a batch too.
        n_c: The prefix, if the largest batch is asked for; None to ask for the longest prefix.
        n_g: The completion.
        batch: Sequences at a time, of which regions are counted.
        gpu: The name of a GPU, or an entry of one's own.
        memory: What the step has to fit, such as `80GiB`; the GPU's if nothing is said.
        most_tokens: The positions that the model has; a million if nothing is said.
        windows: Tokens that layers with a window look back on.
        say: Told what is being done.
        options: As `ballast_probe.step` takes them.

    Raises:
        ProbeError: The step cannot be recorded, or there is no program `ballast`.
        UsageError: An argument cannot be meant.
    """
    if not callable(run):
        raise UsageError("run must be a function of two lengths, n_c and n_g, that runs a step")
    if n_c is not None and (type(n_c) is not int or n_c < 0):
        raise UsageError(f"n_c is {n_c!r} and must be a whole number of 0 or more, or None")
    for name, value in (("n_g", n_g), ("batch", batch)):
        if type(value) is not int or value < 1:
            raise UsageError(f"{name} is {value!r} and must be a whole number of 1 or more")
    if most_tokens is not None and (type(most_tokens) is not int or most_tokens < 2):
        raise UsageError(f"most_tokens is {most_tokens!r} and must be a whole number of 2 or more")
    for name in ("device", "layout"):
        if name in options:
            raise UsageError(f"fit takes no {name}: it is about a GPU, and knows whose tokens are "
                             "whose")
    require_program()

    def record(prefix: int, generated: int, *sequences: int) -> Recording:
        at_once = sequences[0] if sequences else batch
        with step(gpu=gpu, layout=Layout(prefix, generated, at_once), **options) as recording:
            run(prefix, generated, *sequences)
        recording.call = f"ballast_probe.fit({getattr(run, '__name__', 'run')})"
        recording.point = {"n_c": prefix, "n_g": generated, "batch": at_once}
        return recording

    model = Model(most_tokens, tuple(windows))
    spans = prompts(model, n_g, batch) if n_c is None else batches(n_c, n_g)
    return Fitter(record, model, spans, Question(memory=memory), say).run()
