"""Records a step at a few lengths, finds the longest that fits, and records it there to see.

    three lengths ──▶ laws ──▶ the longest that the model has positions for: do they hold there?
                        │
                        └──▶ ballast plan: the longest prefix that fits
                               └──▶ recorded at it and one past it: the same? else anew, around it
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ProbeError, UsageError
from ..recording import writing
from ..recording.recording import Recording
from .laws import Laws
from .launches import NoLaw
from .lengths import BatchSpan, Point, PromptSpan, Span, explored, neighbours
from .planner import Question, plan, planned
from .traced import Untraceable

_TRIES = 3
_CHECKED = 2  # answers that are recorded
_FARTHER = 8  # times as far, where an answer is where laws end
_MOST_TOKENS = 1 << 20  # where a model does not say
_MOST_SEQUENCES = 1 << 10
_ROOM = 8_192  # tokens among which a law is found
_LONG = (8_192, 32_768)  # where a step is looked at that does otherwise at shorter lengths

Record = Callable[..., Recording]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """What decides at which lengths a step is recorded.

    Attributes:
        most_tokens: The positions that it has, or that it was made for; None if it does not say.
        windows: Tokens that layers with a window look back on; a step does otherwise below them.
        counts: Experts for each token, and experts.
    """

    most_tokens: int | None = None
    windows: tuple[int, ...] = ()
    counts: tuple[tuple[int, int], ...] = ()

    @staticmethod
    def of(config: Any) -> Model:
        """A configuration's of transformers (its text model's)."""
        most = _number(config, "max_position_embeddings", "n_positions", "max_seq_len")
        experts = _number(config, "num_experts", "num_local_experts", "n_routed_experts")
        chosen = _number(config, "num_experts_per_tok", "num_experts_per_token")
        window = _number(config, "sliding_window")
        return Model(most, (window,) if window else (),
                     ((chosen, experts),) if experts and chosen else ())


def _number(config: Any, *names: str) -> int | None:
    for name in names:
        value = getattr(config, name, None)
        if type(value) is int and value > 0:
            return value
    return None


@dataclass
class Fit:
    """A step with its laws, and the answer.

    Attributes:
        recording: At the longest prefix that fits, or at the shortest recorded; with laws.
        answers: What `ballast plan` says, one entry for each memory.
        span: What was asked about.
        held: The lengths beside the answer at which the step was recorded and was as the laws say.
        notes: What was found on the way, in sentences.
    """

    recording: Recording
    answers: list[dict[str, Any]]
    span: Span
    held: list[Point] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    question: Question = Question()

    @property
    def n_c(self) -> int | None:
        """The longest prefix that fits, of several memories the first; None if none does."""
        answer = self.answers[0]
        return int(answer["n_c"]) if answer.get("fits") else None

    @property
    def batch(self) -> int | None:
        """The sequences of the answer, the most of them if that was asked; None if none fits."""
        answer = self.answers[0]
        return int(answer["batch"]) if answer.get("fits") else None

    def write(self, path: str | Path) -> Path:
        """Writes the recording with its laws, as `Recording.write` does."""
        return self.recording.write(path)

    def summary(self, file: Path | None = None) -> str:
        """The answer as text for people, as `ballast plan` gives it, and how far it was seen.

        Args:
            file: Where the recording has been written, if it has.
        """
        with tempfile.TemporaryDirectory() as folder:
            where = file or self.recording.write(Path(folder) / writing.NAME)
            lines = [plan(where, self.question).rstrip()]
        if self.held:
            lengths = " and ".join(self.span.named(self.span.size(one)) for one in self.held)
            lines.append(f"\nChecked: the step was recorded at {lengths} as well, without a GPU; "
                         "every allocation was as predicted, to the byte." if self.recording.laws is not None
                         else f"\nRecorded at {lengths}.")
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])


def _ends_with_laws(answer: Mapping[str, Any]) -> bool:
    """Whether more may fit than the laws reach."""
    return bool(answer.get("fits")) and answer.get("ended_by") == "law"


def refuse_lengths(model: Model, n_c: int, n_g: int) -> None:
    """Refuses lengths for which a model has no positions.

    Raises:
        UsageError: One sentence says how many it has.
    """
    most = model.most_tokens
    if most is not None and n_c + n_g + (n_c == 0) > most:
        asked = f"--n-c {n_c:,} and --n-g {n_g:,} are {n_c + n_g:,} tokens" if n_c else \
            f"--n-g {n_g:,} leaves no room for a prompt"
        raise UsageError(f"{asked}, and the model has positions for {most:,}")


def prompts(model: Model, n_g: int, batch: int) -> list[Span]:
    """Where laws of a prompt are looked for: above every window, then below; and where all is long.

    Args:
        model: The model.
        n_g: The completion that is asked about.
        batch: Sequences at a time.
    """
    most, first = model.most_tokens or _MOST_TOKENS, n_g + 2
    window = max(model.windows, default=0)
    spans = [(first, most)]
    if first < window < most - _ROOM:
        spans = [(window + 1, most), (first, window)]
    spans += [(least, most) for least in _LONG if first < least < most - _ROOM]
    return [PromptSpan(*one, n_g, batch) for one in spans]


def batches(n_c: int, n_g: int) -> list[Span]:
    """Where laws of a batch are looked for."""
    return [BatchSpan(2, _MOST_SEQUENCES, n_c, n_g)]


class Fitter:
    """Fits one training of one model.

    Args:
        record: Records the step at some lengths.
        model: The model.
        spans: Where laws are looked for, one after the other.
        question: What it has to fit.
        say: Told what is being done.
        start: Told which lengths will be recorded next, so that it may begin.
    """

    def __init__(self, record: Record, model: Model, spans: Sequence[Span], question: Question,
                 say: Say, start: Callable[[list[Point]], None] = lambda _: None) -> None:
        self._record, self._model, self.spans = record, model, spans
        self._question, self._say, self._start = question, say, start
        self._made: dict[Point, Recording] = {}
        self._notes: list[str] = []
        self._refused: list[str] = []  # why lengths could not be recorded

    def run(self) -> Fit:
        """The step with its laws, and the answer.

        Raises:
            ProbeError: It cannot be recorded, or follows no law.
        """
        spans = list(self.spans)
        why = NoLaw("")
        for _ in range(_TRIES + len(spans)):
            if not spans:
                break
            span = spans.pop(0)
            try:
                laws = self.laws(span)
            except NoLaw as error:
                why = error
                continue
            recording = self._made[laws.base]
            recording.laws = laws
            answers = self._answers(recording)
            while any(_ends_with_laws(answer) for answer in answers) and self._extend(laws, span):
                answers = self._answers(recording)
            fit = Fit(recording, answers, span, notes=self._notes, question=self._question)
            if not any(answer.get("fits") for answer in fit.answers) \
                    and any(one.most <= span.least for one in spans):
                continue  # shorter than where this span begins
            if not any(answer.get("fits") for answer in fit.answers) and span.alone is not None:
                return self._alone(span, span.alone)
            if (other := self._check(fit, laws)) is None:
                return fit
            spans.insert(0, other)
        return self._search(self.spans[-1], why)

    def _alone(self, span: Span, point: Point) -> Fit:
        """The smallest step there is, where no law's is small enough."""
        recording = self.at(point)
        recording.laws = None
        answers = [answer | {"ended_by": "memory"} for answer in self._answers(recording)]
        return Fit(recording, answers, span, notes=self._notes, question=self._question)

    def _search(self, span: Span, why: NoLaw) -> Fit:
        """The longest of a step that follows no law, by halves.

        Raises:
            ProbeError: It cannot be recorded.
        """
        first = -(-min(one.least for one in self.spans) // span.step) * span.step

        def answers(number: int) -> tuple[Point, list[dict[str, Any]]]:
            point = span.at(first + number * span.step)
            return point, [answer | {"ended_by": "memory"}
                           for answer in self._answers(self.at(point))]

        most = (span.most - first) // span.step
        low, high = 0, most + 1  # the first that is known not to fit
        point, found = answers(low)
        while found[0].get("fits") and high - low > 1:  # by ever longer steps, and then by halves
            middle = min(2 * low + 1, most) if high > most else (low + high) // 2
            at, answered = answers(middle)
            if answered[0].get("fits"):
                low, point, found = middle, at, answered
            else:
                high = middle
        step = f"in steps of {span.named(span.step)}" if span.step > 1 else "by halves"
        self._notes.append(
            f"the step allocates otherwise from length to length ({why}), so that no law says what "
            f"it takes; it was recorded at {len(self._made)} lengths, and the answer was found "
            + step)
        return Fit(self.at(point), found[:1], span, [point] if found[0].get("fits") else [],
                   self._notes, self._question)

    def at(self, point: Point) -> Recording:
        """The step at some lengths, recorded once."""
        if point not in self._made:
            self._say("recording " + " + ".join(f"{one:,}" for one in point[:2]) + " tokens"
                      + "".join(f", a batch of {one:,}" for one in point[2:]))
            self._made[point] = self._record(*point)
        return self._made[point]

    def laws(self, span: Span) -> Laws:
        """Laws over a span, of every length, or of multiples where others do otherwise.

        Raises:
            NoLaw: There are none.
            ProbeError: The step cannot be recorded.
        """
        why = ""
        for multiple in span.multiples:
            try:
                points = span.points(multiple)
                longest = span.at(span.far // multiple * multiple)
                self._begin([*points, longest])
                laws = Laws.of([(point, self.at(point)) for point in points], span.variables,
                               self._model.counts)
                break
            except (NoLaw, Untraceable, UsageError) as error:
                why = str(error)
        else:
            raise NoLaw(why)
        if multiple > 1:
            self._notes.append(
                f"at lengths that are no multiple of {multiple} the step allocates otherwise, as "
                "where masks are padded; the answer is among multiples")
        sizes = [span.size(point) for point in points]
        least, most = min(sizes), max(sizes)
        laws.explore(explored(span, least, span.most, multiple))
        while span.size(longest) > most:
            if self._is_held(laws, longest, span):
                most = span.size(longest)
            else:  # nearer
                longest = span.at(max(most, span.size(longest) // 4) // multiple * multiple)
        laws.range = span.range(least, most, multiple, self._model.most_tokens)
        return laws

    def _extend(self, laws: Laws, span: Span) -> bool:
        """Sees whether laws hold farther out; says whether they do."""
        least, most = span.bounds(laws.range)
        farther = min(span.most, _FARTHER * most) // laws.range.multiple * laws.range.multiple
        if farther <= most or not self._is_held(laws, span.at(farther), span):
            return False
        laws.explore(explored(span, most, farther, laws.range.multiple))
        laws.range = span.range(least, farther, laws.range.multiple, self._model.most_tokens)
        return True

    def _begin(self, points: Sequence[Point]) -> None:
        self._start([point for point in points if point not in self._made])

    def _is_held(self, laws: Laws, point: Point, span: Span) -> bool:
        """As `_holds`; not where the step cannot be recorded."""
        try:
            return self._holds(laws, point)
        except ProbeError as error:
            self._refused.append(f"{span.named(span.size(point))} were not recorded: {error}")
            return False

    def _holds(self, laws: Laws, point: Point) -> bool:
        """Whether the step, recorded at some lengths, is as laws say; notes it in them.

        Raises:
            ProbeError: It cannot be recorded there.
        """
        recording = self.at(point)
        writing.refuse_unreadable(recording.stream)
        laws.explore([point])
        expected = laws.at(point)
        if expected is None or expected.difference(recording) is not None:
            return False
        if point not in laws.made_from and point not in laws.checked_at:
            laws.checked_at.append(point)
        return True

    def _answers(self, recording: Recording) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            return planned(recording.write(Path(folder) / writing.NAME), self._question)

    def _check(self, fit: Fit, laws: Laws) -> Span | None:
        """Records at each answer and one past it; gives another span if laws do not hold there."""
        span, multiple = fit.span, laws.range.multiple
        end = span.bounds(laws.range)[1]
        for answer in [one for one in fit.answers if one.get("fits")][:_CHECKED]:
            point = tuple(int(answer[name]) for name in span.variables)
            size = span.size(point)
            if _ends_with_laws(answer) and end < span.most:
                if not self._refused:
                    return span.within(end, span.most)
                self._notes.append(self._refused[0])
            laws.explore(one for one in neighbours(span, size, multiple)
                         if span.size(one) <= end)
            here = [span.at(one) for one in (size, size + multiple) if one <= end]
            self._begin(here)
            for one in here:
                if not self._is_held(laws, one, span):
                    self._notes.append(
                        f"at {span.named(span.size(one))} the step allocates otherwise than at "
                        "lengths that were recorded before; it was recorded anew around them")
                    return span.around(span.size(one))
                fit.held.append(one)
        if fit.held:
            recording = self.at(fit.held[0])
            fit.recording.laws = None
            recording.laws = laws.rebased(fit.held[0], recording)
            fit.recording = recording
        return None
