"""A second opinion without a server: late interaction over the model that comes along.

Every token of a question is matched with the nearest token of a passage, and the mean of those
likenesses is the opinion. Source: MaxSim of ColBERT, https://arxiv.org/abs/2004.12832; the model
was not made for it, so its word counts as much as the search's own and no more.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from nexus.memory.embed import LocalEmbedder
from nexus.memory.reranking import SECONDS

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors

QUESTION_TOKENS: Final = 64
SHARE: Final = 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LateReranker:
    """Takes some ten milliseconds of a processor for each passage."""

    model: LocalEmbedder = field(default_factory=LocalEmbedder)
    share: float = SHARE
    turns: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(max(1, (os.cpu_count() or 2) // 2))
    )

    async def judge(self, question: str, passages: Sequence[str]) -> list[float] | None:
        """Compare token by token; see `Reranker`. On a busy machine there is no opinion."""
        if self.turns.locked():
            return None
        try:
            async with self.turns, asyncio.timeout(SECONDS):
                asked = await asyncio.to_thread(self.model.tokens, question, QUESTION_TOKENS)
                words = asked[1:-1]  # without the marks of beginning and end
                if not len(words):
                    return None
                return [
                    await asyncio.to_thread(self._likeness, words, passage) for passage in passages
                ]
        except TimeoutError:
            log.warning("memory.not_reranked", url="local", error="the machine is too busy")
            return None

    def _likeness(self, words: "Vectors", passage: str) -> float:
        likeness = words @ self.model.tokens(passage).T
        return min(max(float(likeness.max(axis=1).mean()), 0.0), 1.0)
