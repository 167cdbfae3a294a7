"""How long to wait before another attempt. Called where an attempt has failed."""

import random
from typing import Final

BACKOFF_FIRST_SECONDS: Final = 1.0
BACKOFF_CAP_SECONDS: Final = 60.0


def pause_seconds(attempt: int, at_least: float | None, *, is_chance: bool) -> float:
    """Full jitter (Brooker, AWS Architecture Blog, 2015); a server's Retry-After is a floor.

    Args:
        attempt: the one that failed, from 1.
        is_chance: what failed was nobody's making; the first time needs no pause.
    """
    if is_chance and attempt == 1:
        return 0.0
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (attempt - 1))
    jitter = random.SystemRandom().uniform(0, ceiling)
    return max(jitter, at_least or 0.0)
