"""CUDA's streams: which one is current. The caching allocator keeps the blocks of each apart."""

from __future__ import annotations

from itertools import count
from typing import Any

from .stream import Stream


class Idle:
    """A stream, an event or a guard: nothing runs, so there is nothing to wait for."""

    def __init__(self, *_: Any, **__: Any) -> None:
        import torch

        self.device = torch.device("cuda", 0)
        self.device_index, self.device_type, self.priority = 0, 1, 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        answers = {"query": True, "elapsed_time": 0.0, "is_capturing": False}
        return lambda *_, **__: answers.get(name, self)


class Queues:
    """The streams of a step, by number; 0 is the default one."""

    def __init__(self, events: Stream) -> None:
        queues, numbers = self, count(1)

        class Queue(Idle):
            """A stream, current inside its own block."""

            def __init__(self, *_: Any, number: int | None = None, **__: Any) -> None:
                super().__init__()
                self.number = next(numbers) if number is None else number
                self.cuda_stream = self.stream_id = self.number
                self._before: list[int] = []

            def __enter__(self) -> Queue:
                self._before.append(queues._events.queue)
                queues._events.queue = self.number
                return self

            def __exit__(self, *_: Any) -> None:
                queues._events.queue = self._before.pop()

            def __eq__(self, other: object) -> bool:
                return isinstance(other, Queue) and other.number == self.number

            def __hash__(self) -> int:
                return self.number

        self._events = events
        self.kind = Queue

    def current(self, *_: Any, **__: Any) -> Any:
        """The stream that is current."""
        return self.kind(number=self._events.queue)

    def default(self, *_: Any, **__: Any) -> Any:
        """The default stream."""
        return self.kind(number=0)

    def guard(self, queue: Any = None, *_: Any, **__: Any) -> Any:
        """A block in which a stream is current; without one nothing changes."""
        return queue if isinstance(queue, self.kind) else Idle()

    def switch(self, queue: Any = None, *_: Any, **__: Any) -> None:
        """Makes a stream the current one."""
        if isinstance(queue, self.kind):
            self._events.queue = queue.number
