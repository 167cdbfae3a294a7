"""Reads what a running sandbox prints, keeping the first bytes of it and throwing the rest away."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

_CHUNK = 64 * 1024
FLOOD_FACTOR = 64


@dataclass(slots=True)
class Budget:
    """Bytes still kept of all streams of one run together; `flooded` once far too much came."""

    keep: int
    seen: int = 0
    truncated: bool = False
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.most = self.keep * FLOOD_FACTOR

    def take(self, chunk: bytes) -> bytes:
        """Return the part of `chunk` that is kept."""
        self.seen += len(chunk)
        kept = chunk[: self.keep]
        self.keep -= len(kept)
        self.truncated = self.truncated or len(kept) < len(chunk)
        return kept

    @property
    def flooded(self) -> bool:
        """Whether so much came that the run is not worth going on with."""
        return self.seen > self.most


async def collect(
    stream: asyncio.StreamReader | None, budget: Budget, stop: Callable[[], None]
) -> str:
    """Read `stream` to its end; calls `stop` once when the budget is flooded."""
    kept: list[bytes] = []
    stopped = False
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        kept.append(budget.take(chunk))
        if budget.flooded and not stopped:
            stopped = True
            stop()
    return b"".join(kept).decode("utf-8", "replace")
