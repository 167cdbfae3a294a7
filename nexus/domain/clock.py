"""Times as the database keeps them (microseconds since 1970, UTC) and as people read them."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_us: int | None) -> str | None:
    """Write microseconds since 1970 as RFC 3339 UTC with microseconds; None stays None."""
    if at_us is None:
        return None
    moment = EPOCH + timedelta(microseconds=at_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
