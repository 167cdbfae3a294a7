"""What is kept for a while only: answers to POSTs that might come again. The pulse sweeps them up."""

from typing import Final

from nexus.models.writing import Query, Transaction

ANSWERS_KEPT_US: Final = 24 * 3_600 * 1_000_000
ANSWERS_A_SWEEP: Final = 1_000
"""So that no sweep holds the database for long; the next one goes on."""


def forget_answers() -> Transaction[int]:
    """Delete answers stored under an Idempotency-Key a day ago or earlier; return how many."""
    rows = yield Query(
        "DELETE FROM idempotency_keys WHERE (workspace, route, key) IN "
        "(SELECT workspace, route, key FROM idempotency_keys "
        "WHERE created_at < NOW_US() - $1 ORDER BY created_at LIMIT $2) RETURNING key",
        (ANSWERS_KEPT_US, ANSWERS_A_SWEEP),
    )
    return len(rows)
