"""Records a step at a few lengths, finds the longest that fits, and records it there to see.

    three lengths ──▶ laws ──▶ the longest that the model has positions for: do they hold there?
                        │
                        └──▶ ballast plan: the longest prefix that fits
                               └──▶ recorded at it and one past it: the same bytes? else anew, around it
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ProbeError, UsageError
from ..recording import writing
from ..recording.kernels.base import to_multiple
from ..recording.recording import Recording
from .laws import Laws, Range
from .launches import NoLaw
from .lengths import MULTIPLES, UNIT, Pair, Span, explored, neighbours, spread
from .planner import Question, plan, planned
from .traced import Untraceable

VARIABLES = ("n_c", "n_g")
_TRIES = 3
_CHECKED = 2  # answers that are recorded
_NEAR = 2_048  # tokens around an answer

Record = Callable[[int, int], Recording]
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
        held: The lengths beside the answer at which the step was recorded and was as the laws say.
        notes: What was found on the way, in sentences.
    """

    recording: Recording
    answers: list[dict[str, Any]]
    held: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    question: Question = Question()

    @property
    def n_c(self) -> int | None:
        """The longest prefix that fits; None if none does. Of several memories the first is meant."""
        answer = self.answers[0]
        return int(answer["n_c"]) if answer.get("fits") else None

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
            lengths = " and ".join(f"{sum(one):,}" for one in self.held)
            lines.append(f"\nRecorded at {lengths} tokens"
                         + (" too: every allocation was as the laws say, to the byte."
                            if self.recording.laws is not None else "."))
        return "\n".join([*lines, *(f"Note: {note}." for note in self.notes)])


_MOST_TOKENS = 1 << 20  # where a model does not say
_ROOM = 8_192  # tokens among which a law is found
_LONG = (8_192, 32_768)  # where a step is looked at that does otherwise at shorter lengths


class Fitter:
    """Fits one training of one model.

    Args:
        record: Records the step at so many prefix and generated tokens.
        model: The model.
        n_g: The completion that is asked about.
        batch: Sequences at a time.
        question: What it has to fit.
        say: Told what is being done.
        start: Told which lengths will be recorded next, so that it may begin.
    """

    def __init__(self, record: Record, model: Model, n_g: int, batch: int, question: Question,
                 say: Say, start: Callable[[list[Pair]], None] = lambda _: None) -> None:
        self._record, self._model, self._n_g, self._batch = record, model, n_g, batch
        self._question, self._say, self._start = question, say, start
        self._made: dict[Pair, Recording] = {}
        self._notes: list[str] = []

    def run(self) -> Fit:
        """The step with its laws, and the answer.

        Raises:
            ProbeError: It cannot be recorded, or follows no law.
        """
        spans = self.spans()
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
            recording = self._made[laws.base]  # type: ignore[index]
            recording.laws = laws
            fit = Fit(recording, self._answers(recording), notes=self._notes,
                      question=self._question)
            if not any(answer.get("fits") for answer in fit.answers) \
                    and any(one.most <= span.least for one in spans):
                continue  # shorter than where this span begins
            if (other := self._check(fit, laws)) is None:
                return fit
            spans.insert(0, other)
        return self._search(why)

    def _search(self, why: NoLaw) -> Fit:
        """The longest of a step that follows no law, by halves, in steps of `UNIT` tokens.

        Raises:
            ProbeError: It cannot be recorded.
        """
        most = self._model.most_tokens or _MOST_TOKENS
        first = to_multiple(self._n_g + 2, UNIT)

        def answers(units: int) -> tuple[Pair, list[dict[str, Any]]]:
            pair = (first + units * UNIT - self._n_g, self._n_g)
            return pair, [answer | {"ended_by": "memory"}
                          for answer in self._answers(self.at(pair))]

        low, high = 0, (most - first) // UNIT
        pair, found = answers(low)
        if any(answer.get("fits") for answer in found):
            while low < high:
                middle = (low + high + 1) // 2
                at, answered = answers(middle)
                if answered[0].get("fits"):
                    low, pair, found = middle, at, answered
                else:
                    high = middle - 1
        self._notes.append(
            f"the step allocates otherwise from length to length ({why}), so that no law says what "
            f"it takes; it was recorded at {len(self._made)} lengths, and the answer is the longest "
            f"in steps of {UNIT} tokens")
        return Fit(self.at(pair), found[:1], [pair] if found[0].get("fits") else [], self._notes,
                   self._question)

    def spans(self) -> list[Span]:
        """Where to look for laws: above every window first, then below; and where all is long."""
        most, first = self._model.most_tokens or _MOST_TOKENS, self._n_g + 2
        window = max(self._model.windows, default=0)
        spans = [Span(first, most, self._n_g)]
        if first < window < most - _ROOM:
            spans = [Span(window + 1, most, self._n_g), Span(first, window, self._n_g)]
        return spans + [Span(least, most, self._n_g) for least in _LONG
                        if first < least < most - _ROOM]

    def at(self, pair: Pair) -> Recording:
        """The step at some lengths, recorded once."""
        if pair not in self._made:
            self._say(f"recording {pair[0]:,} + {pair[1]:,} tokens")
            self._made[pair] = self._record(*pair)
        return self._made[pair]

    def laws(self, span: Span) -> Laws:
        """Laws over a span, of every length, or of multiples where others do otherwise."""
        why = ""
        for multiple in MULTIPLES:
            try:
                pairs = span.pairs(multiple)
                self._start([one for one in (*pairs, span.longest(multiple))
                             if one not in self._made])
                laws = Laws.of([(pair, self.at(pair)) for pair in pairs], VARIABLES,
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
        least, most = spread(pairs)
        laws.explore(explored(least, span.most, self._n_g, multiple))
        longest = span.longest(multiple)
        while sum(longest) > most:
            if self._is_held(laws, longest):
                most = sum(longest)
            else:  # nearer
                tokens = max(most, sum(longest) // 4) // multiple * multiple
                longest = (tokens - self._n_g, self._n_g)
        laws.range = Range((least, most), multiple, (self._batch, self._batch),
                           self._model.most_tokens)
        return laws

    def _is_held(self, laws: Laws, pair: Pair) -> bool:
        """As `_holds`; not where the step cannot be recorded, which is noted."""
        try:
            return self._holds(laws, pair)
        except ProbeError as error:
            self._notes.append(f"{sum(pair):,} tokens were not recorded: {error}")
            return False

    def _holds(self, laws: Laws, pair: Pair) -> bool:
        """Whether the step, recorded at some lengths, is as laws say; notes it in them.

        Raises:
            ProbeError: It cannot be recorded there.
        """
        recording = self.at(pair)
        writing.refuse_unreadable(recording.stream)
        laws.explore([pair])
        expected = laws.at(pair)
        if expected is None or expected.difference(recording) is not None:
            return False
        if pair not in laws.made_from and pair not in laws.checked_at:
            laws.checked_at.append(pair)
        return True

    def _answers(self, recording: Recording) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            return planned(recording.write(Path(folder) / writing.NAME), self._question)

    def _check(self, fit: Fit, laws: Laws) -> Span | None:
        """Records at each answer and one past it; gives another span if laws do not hold there."""
        end = laws.range.tokens[1]
        for answer in [one for one in fit.answers if one.get("fits")][:_CHECKED]:
            pair = (int(answer["n_c"]), int(answer["n_g"]))
            if answer.get("ended_by") == "law" and end < (self._model.most_tokens or 0):
                return Span(end, self._model.most_tokens or _MOST_TOKENS, self._n_g)
            laws.explore(one for one in neighbours(pair, laws.range.multiple)
                         if laws.range.tokens[0] <= sum(one) <= end)
            past = (pair[0] + laws.range.multiple, pair[1])
            here = [one for one in (pair, past) if sum(one) <= end]
            self._start([one for one in here if one not in self._made])
            for one in here:
                if not self._is_held(laws, one):
                    self._notes.append(
                        f"at {sum(one):,} tokens the step allocates otherwise than at lengths that "
                        "were recorded before; it was recorded anew around them")
                    around = max(_NEAR, sum(one) // 16)
                    return Span(max(self._n_g + 2, sum(one) - around), sum(one) + around,
                                self._n_g)
                fit.held.append(one)
        if fit.held:
            recording = self.at(fit.held[0])
            fit.recording.laws = None
            recording.laws = laws.rebased(fit.held[0], recording)
            fit.recording = recording
        return None
