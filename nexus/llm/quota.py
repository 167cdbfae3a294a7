"""What is known of a model's rate limit, and how many requests it lets through now; pure.

Nothing is limited until a server refuses. Then so many requests a window pass as passed
before the refusal. More are tried now and then, twice as many each time that they pass; every
trial that is refused makes the next one rarer. `events/rate_board.py` does the same in Redis.
"""

from dataclasses import dataclass
from typing import Final

from nexus.domain.rates import Admission

FREE_SECONDS: Final = 60.0
"""How far back the rate is counted while no limit is known; also how long a limit is remembered."""
SHORTEST_WINDOW_SECONDS: Final = 1.0
RAREST: Final = 64
"""Full windows between two trials, at most."""
FURTHEST: Final = 8
"""Nobody is sent away for more windows than this: by then more may pass."""


@dataclass(slots=True)
class Quota:
    """One model's account; times are seconds of any steady clock. `most` 0: no limit is known.

    `recent` counts the last second while no limit is known; `rest` full windows are waited
    before `step` more are tried, `patience` at the last refusal.
    """

    until: float = 0.0
    start: float = 0.0
    used: int = 0
    most: int = 0
    window: float = 0.0
    denied: int = 0
    recent_from: float = 0.0
    recent: int = 0
    step: int = 1
    rest: int = 1
    patience: int = 1
    touched: float = 0.0

    def admit(self, now: float, sent: int, count: int) -> Admission:
        """Count `sent` requests that are on their way, and let through of `count` what may be."""
        if now - max(self.touched, self.until) > FREE_SECONDS + self.window:
            self.most, self.start, self.used = 0, now, 0
        self.touched = now
        if now < self.until:
            self.most += sent  # they belong to the burst that was refused
            granted, wait = 0, self.until - now
        elif not self.most:
            self._note(now, sent + count)
            granted, wait = count, 0.0
        else:
            granted, wait = self._take(now, sent, count)
        waits = self._spread(wait, count - granted)
        self.denied += count - granted
        return Admission((0.0,) * granted + waits, not self.most and granted == count)

    def refuse(self, now: float, seconds: float) -> None:
        """Close for so long, and learn how many requests had passed."""
        self.touched = now
        if now < self.until:
            self.most = max(1, self.most - 1)
            self.until = max(self.until, now + seconds)
            return
        passed = float(self.used - 1)
        if self.most:
            self.patience = min(self.patience * 2, RAREST)
            self.window = max(self.window, seconds)
        else:
            self.patience = 1
            self.window = max(seconds, SHORTEST_WINDOW_SECONDS)
            if now - self.start > self.window:
                passed = max(passed * self.window / (now - self.start), self.recent - 1)
        self.most = max(1, int(passed))
        self.step, self.rest = 1, self.patience
        self.until = now + seconds
        self.start, self.used, self.denied = 0.0, 0, 0

    def _note(self, now: float, count: int) -> None:
        if now - self.start > FREE_SECONDS:
            self.start, self.used = now, 0
        if now - self.recent_from > SHORTEST_WINDOW_SECONDS:
            self.recent_from, self.recent = now, 0
        self.used += count
        self.recent += count

    def _take(self, now: float, sent: int, count: int) -> tuple[int, float]:
        if now >= self.start + self.window:
            if self.start and self.used >= self.most:
                self._grow()
            self.start, self.used, self.denied = now, 0, 0
        self.used += sent
        granted = max(0, min(count, self.most - self.used))
        self.used += granted
        return granted, self.start + self.window - now

    def _grow(self) -> None:
        """Try more after a full window, at once if the last trial passed."""
        if self.rest > 0:
            self.rest -= 1
            return
        if self.step > 1:
            self.patience = 1
        self.most += self.step
        self.step *= 2

    def _spread(self, wait: float, count: int) -> tuple[float, ...]:
        """Give `count` requests a place in the windows to come, after those that have one."""
        places = ((self.denied + at) // max(1, self.most) for at in range(count))
        return tuple(wait + min(place, FURTHEST) * self.window for place in places)
