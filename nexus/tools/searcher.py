"""Searches the web through Tavily, Brave or a SearXNG server, whichever is set up."""

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
    """Asks the first service that is set up. `base_url` replaces the address of Tavily or Brave."""

    def __init__(
        self,
        tavily_key: str | None = None,
        brave_key: str | None = None,
        *,
        searxng_url: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self._tavily_key = tavily_key
        self._brave_key = brave_key
        self._searxng_url = searxng_url
        self._base_url = base_url

    @property
    def service(self) -> str | None:
        """The service that is asked."""
        named = {"Tavily": self._tavily_key, "Brave": self._brave_key, "SearXNG": self._searxng_url}
        return next((name for name, is_set in named.items() if is_set), None)

    async def search(self, query: str) -> list[Found]:
        """Return the best results for `query`.

        Raises:
            ToolRefused: no service is set up, or the service did not answer.
        """
        short = " ".join(query.split())[:_MOST_QUERY]
        if self._tavily_key:
            answer = await self._ask(self._tavily(short, self._tavily_key))
            return _results(answer.get("results"), "content")
        if self._brave_key:
            answer = await self._ask(self._brave(short, self._brave_key))
            web = answer.get("web")
            return _results(web.get("results") if isinstance(web, dict) else None, "description")
        if self._searxng_url:
            answer = await self._ask(self._searxng(short, self._searxng_url))
            return _results(answer.get("results"), "content")
        raise ToolRefused(
            "search_web: no search service is set up on this installation "
            "(its operator can set TAVILY_API_KEY, BRAVE_API_KEY or SEARXNG_URL); go on without searching"
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

    def _searxng(self, query: str, url: str) -> httpx2.Request:
        return httpx2.Request(
            "GET",
            f"{url.rstrip('/')}/search",
            params={"q": query, "format": "json", "safesearch": "1"},
            headers={"Accept": "application/json"},
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
            raise ToolRefused(
                f"search_web: {self.service} answered {response.status_code}; go on without it"
            )
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
