"""What a model's rate limit lets through, in the words that limiter and board share."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Admission:
    """For each request in how many seconds to ask again; 0: it may be sent.

    With `is_free` no limit is known.
    """

    waits: tuple[float, ...]
    is_free: bool


class Board(Protocol):
    """Where limits are written up, for one worker or for all."""

    async def admit(self, model: str, sent: int, count: int) -> Admission:
        """Count `sent` requests that are on their way, and say which of `count` may be sent."""
        ...

    async def refuse(self, model: str, seconds: float) -> None:
        """Note that the server refused a request and asked to be left alone for so long."""
        ...
