"""Readiness of an HTTP server: does it answer 200 at an address?"""

from collections.abc import Awaitable, Callable
from typing import Final

ANSWER_SECONDS: Final = 2.0


def answers_at(url: str) -> Callable[[], Awaitable[bool]]:
    """Make a question a supervisor can ask again and again."""

    async def is_ready() -> bool:
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
                return (await client.get(url)).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    return is_ready
