"""How steadily a worker's own lease is renewed, and so whether it may call others late.

Kept by the pulse. A database that was away lets every lease run out at once; whoever calls
the others dead in that moment throws away what they hold and only wait to save.
"""

import time
from typing import Final

CATCH_UP_SECONDS: Final = 1.0
"""How long a writer may rest between two tries while the database is away."""


class Rhythm:
    """The renewals of one worker."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._renewed_at = float("-inf")
        self._steady_since = float("inf")

    def renewed(self) -> None:
        """Note that the lease was just renewed."""
        now = time.monotonic()
        if now - self._renewed_at > self._lease_seconds:
            self._steady_since = now
        self._renewed_at = now

    def may_judge(self) -> bool:
        """Tell whether a lease that is over means that its worker is.

        It does once this worker's own was renewed without a gap for so long that every
        living worker must have come back too.
        """
        now = time.monotonic()
        if now - self._renewed_at > self._lease_seconds:
            return False
        return now - self._steady_since >= self._lease_seconds + CATCH_UP_SECONDS
