"""Who hears a reply while it is written: the way from a model's stream to whoever watches.

Given to the journalled model by the agents; the line itself is the worker's (`events/speaking.py`).
"""

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from nexus.domain.deltas import Speaker


class Line(Protocol):
    """Carries words to whoever watches, or loses them."""

    async def is_heard(self, topics: Collection[str]) -> bool:
        """Tell whether somebody watches one of these; nearly always known without asking anyone."""
        ...

    def say(self, speaker: Speaker, call: str, offset: int, text: str) -> None:
        """Send words on, in a while, together with those that follow."""
        ...


@dataclass(slots=True)
class Listener:
    """Hears one call's reply; `offset` counts the characters so far."""

    line: Line
    speaker: Speaker
    call: str
    offset: int = 0

    def begin(self) -> None:
        """Start at the beginning: a request that broke off is made again, here or at another model."""
        self.offset = 0

    def hear(self, text: str) -> None:
        """Take the next words."""
        if text:
            self.line.say(self.speaker, self.call, self.offset, text)
            self.offset += len(text)


@dataclass(frozen=True, slots=True)
class Voice:
    """One run's voice on the line."""

    line: Line
    speaker: Speaker

    async def listener(self, call: str) -> Listener | None:
        """Return who hears the reply to a call; None: nobody does."""
        if self.speaker.is_awaited or await self.line.is_heard(self.speaker.topics):
            return Listener(self.line, self.speaker, call)
        return None


LISTENER: Final[ContextVar[Listener | None]] = ContextVar("reply_listener", default=None)
"""Who hears the reply to the request that follows; None: it need not be streamed."""
