"""What one worker process holds: shared by its consumer, its desk and the pulse's thread."""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Hand:
    """`held` names exactly the claims this process may still act on, by subtask id.

    A claim gets there by `take` alone, on the loop's thread. What the pulse gives back it
    lets go of first, by `refuse`: of the two, whichever comes first decides.
    """

    worker_id: str
    held: dict[str, int] = field(default_factory=dict)  # subtask id -> claim
    begun: set[tuple[str, int]] = field(default_factory=set)  # (subtask id, claim), not settled yet
    live_workers: int = 1
    is_draining: bool = False  # claims without a run are about to be given back
    is_empty: bool = False  # drained, and everything given back
    is_lagging: bool = False  # the event loop is behind: nothing new is claimed
    _refused: dict[str, int] = field(default_factory=dict)  # subtask id -> last claim given back
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

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
