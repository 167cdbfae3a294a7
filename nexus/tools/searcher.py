"""Searches the web through Tavily or Brave, whichever has a key."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from nexus.errors import ToolRefused
from nexus.tools.fetch.page import visible

_SECONDS: Final = 15.0
_MOST_BYTES: Final = 2 * 1024**2
_MOST_RESULTS: Final = 8
_MOST_QUERY: Final = 400
_MOST_TEXT: Final = 1_500
TAVILY: Final = "https://api.tavily.com"
BRAVE: Final = "https://api.search.brave.com"


@dataclass(frozen=True, slots=True)
class Found:
    """One result of a search."""

    title: str
    url: str
    text: str


class Searcher:
    """Asks the first service that has a key. `base_url` replaces the service's own address."""

    def __init__(
        self,
        tavily_key: str | None = None,
        brave_key: str | None = None,
        *,
        base_url: str | None = None,
    ) -> None:
        self._tavily_key = tavily_key
        self._brave_key = brave_key
        self._base_url = base_url

    @property
    def is_ready(self) -> bool:
        """Whether there is a key for a search service."""
        return bool(self._tavily_key or self._brave_key)

    async def search(self, query: str) -> list[Found]:
        """Return the best results for `query`.

        Raises:
            ToolRefused: no service has a key, or the service did not answer.
        """
        short = " ".join(query.split())[:_MOST_QUERY]
        if self._tavily_key:
            answer = await self._ask(self._tavily(short, self._tavily_key))
            return _results(answer.get("results"), "content")
        if self._brave_key:
            answer = await self._ask(self._brave(short, self._brave_key))
            web = answer.get("web")
            return _results(web.get("results") if isinstance(web, dict) else None, "description")
        raise ToolRefused(
            "search_web: no search service is set up on this installation "
            "(its operator can set TAVILY_API_KEY or BRAVE_API_KEY); go on without searching"
        )

    def _tavily(self, query: str, key: str) -> httpx2.Request:
        return httpx2.Request(
            "POST",
            f"{self._base_url or TAVILY}/search",
            headers={"Authorization": f"Bearer {key}"},
            json={"query": query, "max_results": _MOST_RESULTS},
        )

    def _brave(self, query: str, key: str) -> httpx2.Request:
        return httpx2.Request(
            "GET",
            f"{self._base_url or BRAVE}/res/v1/web/search",
            params={"q": query, "count": str(_MOST_RESULTS)},
            headers={"X-Subscription-Token": key, "Accept": "application/json"},
        )

    async def _ask(self, request: httpx2.Request) -> Mapping[str, Any]:
        try:
            async with (
                asyncio.timeout(_SECONDS),
                httpx2.AsyncClient(trust_env=False, timeout=_SECONDS) as client,
            ):
                response = await client.send(request)
        except (TimeoutError, httpx2.HTTPError) as error:
            raise ToolRefused(
                f"search_web: the search service is out of reach ({type(error).__name__}); "
                "go on without it or try again later"
            ) from error
        if response.status_code != 200 or len(response.content) > _MOST_BYTES:
            raise ToolRefused(f"search_web: the search service answered {response.status_code}")
        try:
            answer = response.json()
        except ValueError:
            raise ToolRefused("search_web: the search service's answer is not JSON") from None
        return answer if isinstance(answer, dict) else {}


def _results(results: Any, text_field: str) -> list[Found]:
    if not isinstance(results, list):
        return []
    return [
        Found(
            title=visible(str(one.get("title") or ""))[:300],
            url=visible(str(one.get("url") or ""))[:2_048],
            text=visible(str(one.get(text_field) or ""))[:_MOST_TEXT],
        )
        for one in results[:_MOST_RESULTS]
        if isinstance(one, dict)
    ]
