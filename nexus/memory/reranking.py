"""A second opinion on what a search found: a server that reads question and passages together.

Off unless it is set up; Jina, Cohere, vLLM, Infinity and llama.cpp speak it. A server that
is late or wrong changes nothing: the order stays as it was.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

log = structlog.get_logger()

LOCAL: Final = "local"
"""Names the opinion of `late.py` in the settings."""
SECONDS: Final = 3.0
MOST_BYTES: Final = 1024**2


class Reranker(Protocol):
    """Says how well passages answer a question; `share` (0..1) is how much its word counts."""

    @property
    def share(self) -> float: ...

    async def judge(self, question: str, passages: Sequence[str]) -> list[float] | None:
        """Return a score in 0..1 for each passage, None when there is no opinion in time."""
        ...


@dataclass(frozen=True, slots=True)
class HttpReranker:
    """A server with `POST {base}/rerank`, as the one at `url`."""

    url: str
    model: str | None = None
    key: str | None = None
    seconds: float = SECONDS
    share: float = 1.0

    async def judge(self, question: str, passages: Sequence[str]) -> list[float] | None:
        """Ask the server; see `Reranker`."""
        import httpx2

        if not passages:
            return None
        try:
            async with asyncio.timeout(self.seconds):
                return _scores(await self._ask(question, passages), len(passages))
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError) as wrong:
            said = str(wrong) or type(wrong).__name__
            log.warning("memory.not_reranked", url=self.url, error=said[:300])
            return None

    async def _ask(self, question: str, passages: Sequence[str]) -> Any:
        import json

        import httpx2

        body: dict[str, object] = {
            "query": question,
            "documents": [*passages],
            "top_n": len(passages),
        }
        if self.model:
            body["model"] = self.model
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        address = f"{self.url.rstrip('/').removesuffix('/rerank')}/rerank"
        async with (
            httpx2.AsyncClient(timeout=self.seconds) as client,
            client.stream("POST", address, json=body, headers=headers) as answer,
        ):
            answer.raise_for_status()
            read = bytearray()
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > MOST_BYTES:
                    raise ValueError("its answer is too long")
            return json.loads(read)


def _scores(answer: Any, count: int) -> list[float]:
    """Read `{"results": [{"index": 0, "relevance_score": 0.9}]}`, one for each passage.

    Raises:
        ValueError: it is something else.
    """
    results = answer.get("results") if isinstance(answer, dict) else answer
    scores: dict[int, float] = {}
    for one in results if isinstance(results, list) else ():
        index, score = (one.get("index"), one.get("relevance_score", one.get("score")))
        is_number = isinstance(score, int | float) and not isinstance(score, bool)
        if not isinstance(index, int) or not is_number or not math.isfinite(score):
            raise ValueError("its answer is not a list of scores")
        scores[index] = float(score)
    if sorted(scores) != list(range(count)):
        raise ValueError("its answer does not score every passage")
    ordered = [scores[at] for at in range(count)]
    # Some servers answer the model's own numbers, which have no bounds.
    if all(0.0 <= score <= 1.0 for score in ordered):
        return ordered
    return [1 / (1 + math.exp(-min(max(score, -40.0), 40.0))) for score in ordered]
