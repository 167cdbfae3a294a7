"""What one worker process holds: shared by its consumer, its desk and the pulse's thread."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Hand:
    """`held` names exactly the claims this process may still act on, by subtask id."""

    worker_id: str
    held: dict[str, int] = field(default_factory=dict)  # subtask id -> claim
    begun: set[tuple[str, int]] = field(default_factory=set)  # (subtask id, claim), not settled yet
    live_workers: int = 1
    is_draining: bool = False  # claims without a run are about to be given back
    is_empty: bool = False  # drained, and everything given back
    is_lagging: bool = False  # the event loop is behind: nothing new is claimed
