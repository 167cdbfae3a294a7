"""What is known of a model's rate limit, and how many requests it lets through now; pure.

Nothing is limited until a server refuses. Then so many requests a window pass as passed
before the refusal, and a few more with every full window, to find a limit that was raised.
`events/rate_board.py` does the same in Redis, for all workers.
"""

from dataclasses import dataclass
from typing import Final, Protocol

FREE_SECONDS: Final = 60.0
"""How far back the rate is counted while no limit is known; also how long a limit is remembered."""
SHORTEST_WINDOW_SECONDS: Final = 1.0
PROBES: Final = 20
"""One request in so many is tried beyond what is known to pass."""


def spread(wait: float, before: int, count: int, quota: int, window: float) -> tuple[float, ...]:
    """Give `count` requests a place in the windows to come; `before` others have one already."""
    return tuple(wait + (before + at) // max(1, quota) * window for at in range(count))


class Board(Protocol):
    """Where limits are written up, for one worker or for all."""

    async def admit(self, model: str, count: int) -> tuple[float, ...]:
        """Say for each of `count` requests in how many seconds to ask again; 0: it may be sent."""
        ...

    async def refuse(self, model: str, seconds: float) -> None:
        """Note that the server refused a request and asked to be left alone for so long."""
        ...


@dataclass(slots=True)
class Quota:
    """One model's account; times are seconds of any steady clock. `most` 0: no limit is known."""

    until: float = 0.0
    start: float = 0.0
    used: int = 0
    most: int = 0
    window: float = 0.0
    denied: int = 0
    touched: float = 0.0

    def admit(self, now: float, count: int) -> tuple[float, ...]:
        """Let through what may be sent now; see `Board.admit`."""
        if now - max(self.touched, self.until) > FREE_SECONDS + self.window:
            self.most, self.start = 0, now
            self.used = 0
        self.touched = now
        granted, wait = 0, self.until - now
        if wait <= 0:
            granted, wait = self._take(now, count)
        waits = spread(wait, self.denied, count - granted, self.most, self.window)
        self.denied += count - granted
        return (0.0,) * granted + waits

    def _take(self, now: float, count: int) -> tuple[int, float]:
        if not self.most:
            if now - self.start > FREE_SECONDS:
                self.start, self.used = now, 0
            self.used += count
            return count, 0.0
        if now >= self.start + self.window:
            if self.used >= self.most or not self.start:
                self.most += 1 + self.most // PROBES
            self.start, self.used, self.denied = now, 0, 0
        granted = max(0, min(count, self.most - self.used))
        self.used += granted
        return granted, self.start + self.window - now

    def refuse(self, now: float, seconds: float) -> None:
        """Close for so long, and learn how many requests had passed."""
        self.touched = now
        if now < self.until:
            self.most = max(1, self.most - 1)
            self.until = max(self.until, now + seconds)
            return
        passed = float(self.used - 1)
        self.window = max(seconds, SHORTEST_WINDOW_SECONDS)
        if not self.most and now - self.start > self.window:
            passed *= self.window / (now - self.start)
        self.most = max(1, int(passed))
        self.until = now + seconds
        self.start, self.used, self.denied = 0.0, 0, 0
