"""Waiting on a condition, never on the clock."""

import asyncio
import inspect
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

STEP_SECONDS: Final = 0.01


async def _answer(condition: Callable[[], Any]) -> Any:
    found = condition()
    return await found if inspect.isawaitable(found) else found


async def _ticks(end: float) -> AsyncIterator[bool]:
    """Yield whether the time is over, with a short rest in between."""
    for _ in itertools.count():
        yield time.monotonic() >= end
        await asyncio.sleep(STEP_SECONDS)


async def _poll(condition: Callable[[], Any], limit_seconds: float) -> Any:
    end = time.monotonic() + limit_seconds
    async for last in _ticks(end):
        found = await _answer(condition)
        if found:
            return found
        if last:
            break
    raise AssertionError(f"still not true after {limit_seconds} s: {condition}")


def until(condition: Callable[[], Any], timeout: float = 10.0) -> Awaitable[Any]:
    """Wait until `condition` (plain or async) is true; return what it answered.

    Raises:
        AssertionError: it was not true within `timeout` seconds.
    """
    return _poll(condition, timeout)
