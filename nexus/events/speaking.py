"""Words of models on their way to whoever watches, through Redis' pub/sub.

One a worker, reached by the model book through the protocol of `llm/listening.py`. Words are
gathered for a tenth of a second and sent; what cannot be sent is lost.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from nexus.domain.deltas import DELTA, Speaker
from nexus.errors import ServiceMissing
from nexus.events.redis_link import RedisLink

PACE_SECONDS: Final = 0.1
ASK_SECONDS: Final = 1.0
"""How long it is taken as known who watches."""
AWAY_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 0.25
"""What a call waits at most to learn it."""
MOST_CHARACTERS: Final = 16_384
"""Of one message: a model that writes faster is heard with gaps."""
MOST_PIECES: Final = 8


def channel_prefix(installation_id: str) -> str:
    """Say how the channels of an installation begin; a topic follows."""
    return f"{installation_id}:words:"


@dataclass(slots=True)
class _Piece:
    """Words of one call in a row."""

    speaker: Speaker
    call: str
    offset: int
    texts: list[str] = field(default_factory=list)
    size: int = 0

    def message(self) -> str:
        about = self.speaker
        return json.dumps(
            {
                "type": DELTA,
                "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "project_id": about.project_id,
                "task_id": about.task_id,
                "subtask_id": about.subtask_id,
                "attempt": about.attempt,
                "data": {"call": self.call, "offset": self.offset, "text": "".join(self.texts)},
            }
        )


class Loudspeaker:
    """Knows who watches and sends them words; without Redis nobody does."""

    def __init__(self, redis: RedisLink, installation_id: str) -> None:
        self._redis = redis
        self._prefix = channel_prefix(installation_id)
        self._watched: frozenset[str] = frozenset()
        self._ask_at = 0.0
        self._asking = asyncio.Lock()
        self._waiting: dict[str, deque[_Piece]] = {}
        self._news = asyncio.Event()

    async def is_heard(self, topics: Collection[str]) -> bool:
        """Tell whether somebody watches one of these, as it was known a second ago."""
        if time.monotonic() >= self._ask_at:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS), self._asking:
                    await self._ask()
        return not self._watched.isdisjoint(topics)

    async def _ask(self) -> None:
        if time.monotonic() < self._ask_at:
            return
        watched: frozenset[str] = frozenset()
        again = AWAY_SECONDS
        try:
            async with self._redis.using() as client:
                channels = await client.pubsub_channels(f"{self._prefix}*")
            watched = frozenset(str(name).removeprefix(self._prefix) for name in channels)
            again = ASK_SECONDS
        except ServiceMissing:
            return
        finally:
            self._watched, self._ask_at = watched, time.monotonic() + again

    def say(self, speaker: Speaker, call: str, offset: int, text: str) -> None:
        """Keep words until the next message; too many at once are lost."""
        pieces = self._waiting.setdefault(speaker.subtask_id, deque(maxlen=MOST_PIECES))
        if not pieces or pieces[-1].call != call or offset < pieces[-1].offset:
            pieces.append(_Piece(speaker, call, offset))
        last = pieces[-1]
        if last.size + len(text) <= MOST_CHARACTERS and offset == last.offset + last.size:
            last.texts.append(text)
            last.size += len(text)
        self._news.set()

    async def speak(self) -> None:
        """Send what was said, at most ten messages a second for a subtask; runs until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._send([pieces.popleft() for pieces in self._waiting.values()])
            self._waiting = {of: pieces for of, pieces in self._waiting.items() if pieces}
            if self._waiting:
                self._news.set()
            await asyncio.sleep(PACE_SECONDS)

    def _heard_at(self, speaker: Speaker) -> Collection[str]:
        return speaker.topics if speaker.is_awaited else self._watched & {*speaker.topics}

    async def _send(self, pieces: list[_Piece]) -> None:
        with suppress(ServiceMissing):
            async with self._redis.using() as client:
                pipe = client.pipeline(transaction=False)
                for piece in pieces:
                    for topic in self._heard_at(piece.speaker):
                        pipe.publish(self._prefix + topic, piece.message())
                await pipe.execute()
