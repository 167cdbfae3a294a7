"""How long a failed attempt waits for the next; pure but for the dice. Called at settlement."""

import random
from typing import Final

FIRST_SECONDS: Final = 1.0
CAP_SECONDS: Final = 60.0


def pause_seconds(attempt: int, least: float) -> float:
    """Full jitter (Brooker, AWS Architecture Blog, 2015); a server's Retry-After is the least."""
    ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2 ** (attempt - 1))
    return max(random.SystemRandom().uniform(0, ceiling), least)
