"""What one worker process holds: shared by its consumer, its desk and the pulse's thread."""

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Final

CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where there is such a clock."""


def now() -> float:
    """Say what time it is for leases, in seconds of `CLOCK`."""
    return time.clock_gettime(CLOCK)


@dataclass(slots=True)
class Hand:
    """`held` names exactly the claims this process may still act on, by subtask id.

    A claim gets there by `take` alone, on the loop's thread. What the pulse gives back it
    lets go of first, by `refuse`: of the two, whichever comes first decides.
    """

    worker_id: str
    held: dict[str, int] = field(default_factory=dict)  # subtask id -> claim
    begun: set[tuple[str, int]] = field(default_factory=set)  # (subtask id, claim), not settled yet
    ending: set[tuple[str, int]] = field(default_factory=set)  # those whose runs are cancelled
    live_workers: int = 1
    is_draining: bool = False  # claims without a run are about to be given back
    is_empty: bool = False  # drained, and everything given back
    is_lagging: bool = False  # the event loop is behind: nothing new is claimed
    lease_until: float = math.inf  # of `now`: until then nobody else takes what is held
    lapsed_at: float = -math.inf  # of `now`: when the lease was last renewed too late
    _refused: dict[str, int] = field(default_factory=dict)  # subtask id -> last claim given back
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_lease_over(self) -> bool:
        """Whether others may take what is held, now."""
        return now() > self.lease_until

    def may_be_lost(self, since: float) -> bool:
        """Tell whether others may have taken, since a time of `now`, what was held then."""
        return self.is_lease_over or self.lapsed_at >= since

    def renew(self, asked_at: float, seconds: float) -> None:
        """Note that the lease lasts for so long from when its renewal was asked for."""
        if (renewed_at := now()) > self.lease_until:
            self.lapsed_at = renewed_at  # before the next line: it is read on another thread
        self.lease_until = asked_at + seconds

    def take(self, subtask_id: str, claim: int) -> bool:
        """Hold a claim whose commit is known now; False: it was given back, and must not start."""
        with self._lock:
            if self._refused.get(subtask_id, 0) >= claim:
                return False
            self.held[subtask_id] = claim
            return True

    def refuse(self, subtask_id: str, claim: int) -> bool:
        """Give a claim up before it is given back; False: it is held, and stays where it is."""
        with self._lock:
            if self.held.get(subtask_id) == claim:
                return False
            self._refused[subtask_id] = max(claim, self._refused.get(subtask_id, 0))
            return True
