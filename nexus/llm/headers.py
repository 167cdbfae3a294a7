"""What a server's headers say of its rate limit: how many requests remain, and until when.

Heard by the connection pool of the model book, read by the served model.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

import httpx2

HEARD: Final[ContextVar[list[httpx2.Headers] | None]] = ContextVar("heard_headers", default=None)
KINDS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
)
SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
LONGEST_SECONDS: Final = 3_600.0


async def hear(response: httpx2.Response) -> None:
    """Keep the headers of an answer for whoever made the request."""
    heard = HEARD.get()
    if heard is not None:
        heard.append(response.headers)


def read_limit(heard: Sequence[httpx2.Headers] | None) -> tuple[int | None, float | None]:
    """Return what remains, and for how many seconds: of several limits the one that is reached."""
    found: list[tuple[int, float | None]] = []
    for remaining, reset in KINDS if heard else ():
        left = (heard or ())[-1].get(remaining, "")
        if left.isdecimal():
            found.append((int(left), _seconds((heard or ())[-1].get(reset, ""))))
    if not found:
        return None, None
    least = min(left for left, _ in found)
    waits = [wait for left, wait in found if left == least and wait is not None]
    return least, max(waits, default=None)


def _seconds(text: str) -> float | None:
    """Read `1.5`, `120ms`, `6m0s` or a moment in RFC 3339."""
    seconds: float | None = None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif text and (span := SPAN.fullmatch(text)):
        hours, minutes, rest, thousandths = (float(part or 0) for part in span.groups())
        seconds = hours * 3_600 + minutes * 60 + rest + thousandths / 1_000
    elif "T" in text:
        seconds = _until(text)
    return None if seconds is None or seconds < 0 else min(seconds, LONGEST_SECONDS)


def _until(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()
