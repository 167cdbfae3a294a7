"""How many requests to a model may be open at once while a burst begins; pure.

As TCP begins a connection (RFC 5681): with little, so that a refusal is heard before all is sent.
"""

from dataclasses import dataclass
from typing import Final

FIRST_OPEN: Final = 2
QUIET_TICKS: Final = 3
OF_ANSWERS: Final = 0.3
IDLE_SECONDS: Final = 60.0
MOST_OPEN: Final = 100_000


@dataclass(slots=True)
class SlowStart:
    """A share of the requests that were answered, and twice as many while nothing is heard.

    Times are seconds of any steady clock; `remaining` is what the server said it lets through.
    """

    limit: int = FIRST_OPEN
    answers: int = 0
    quiet: int = 0
    used_at: float = float("-inf")
    remaining: int = MOST_OPEN

    def used(self, now: float) -> None:
        """Note a request; the first in a long time begins a new burst."""
        if now - self.used_at > IDLE_SECONDS:
            self.begin_anew()
        self.used_at = now

    def begin_anew(self) -> None:
        """Go back to the beginning: a limit was met."""
        self.limit, self.answers, self.quiet = FIRST_OPEN, 0, 0

    def answered(self, remaining: int | None) -> None:
        """Count an answer, and what it said to remain."""
        self.answers += 1
        self.quiet = 0
        self.remaining = MOST_OPEN if remaining is None else max(1, remaining)

    def waited(self, *, in_time: bool) -> None:
        """Note a tick in which somebody waited; one that came late says nothing of the server."""
        self.quiet = self.quiet + 1 if in_time else 0
        if self.quiet >= QUIET_TICKS:
            self.limit, self.quiet = min(self.limit * 2, MOST_OPEN), 0

    def width(self) -> int:
        """Say how many may be open."""
        self.limit = max(self.limit, int(self.answers * OF_ANSWERS))
        return min(self.limit, self.remaining)
