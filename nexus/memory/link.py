"""The connection to Chroma: found when needed, given up when broken, found again elsewhere.

Only `Memory` uses it. It never starts a server, and it never waits long for an absent one.
"""

import asyncio
import importlib
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from nexus.errors import ServiceMissing, TransientFailure

if TYPE_CHECKING:
    from chromadb.api import AsyncClientAPI

T = TypeVar("T")

PROBE_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 20.0
READY_KEPT_SECONDS: Final = 3.0

_HINT: Final = (
    "run `nexus up` or `nexus services`, or set NEXUS_CHROMA_URL to a running Chroma server"
)


class _Broken(ServiceMissing):
    """The connection broke under a request, so looking for the server again may help."""


class Link:
    """A client for whatever `locate` names at the moment."""

    def __init__(self, locate: Callable[[], str | None]) -> None:
        self._locate = locate
        self._client: AsyncClientAPI | None = None
        self._url: str | None = None
        self._is_sound = False
        self._connecting = asyncio.Lock()
        self._probing = asyncio.Lock()
        self._ready = False
        self._ready_until = 0.0

    async def run(self, act: Callable[["AsyncClientAPI"], Awaitable[T]]) -> T:
        """Run an act that may be repeated; a broken connection is looked for again once.

        Raises:
            ServiceMissing: nobody answers, or not in time.
            TransientFailure: Chroma answered with an error of its own.
        """
        try:
            return await self._attempt(act, await self._connected())
        except _Broken:
            return await self._attempt(act, await self._connected())

    async def _attempt(
        self, act: Callable[["AsyncClientAPI"], Awaitable[T]], client: "AsyncClientAPI"
    ) -> T:
        import httpx
        from chromadb.errors import ChromaError

        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await act(client)
        except (httpx.TransportError, TimeoutError) as broken:
            self._is_sound = False
            raise _Broken(_sentence(self._url, "stopped answering"), hint=_HINT) from broken
        except (ChromaError, httpx.HTTPStatusError, ValueError) as wrong:
            raise TransientFailure(f"Chroma at {self._url} could not do it: {wrong}") from wrong

    async def check(self) -> None:
        """Raise ServiceMissing when Chroma is out of reach, before costly work is done for it."""
        await self._connected()

    async def is_up(self) -> bool:
        """Say within a second whether Chroma answers; the answer is kept for three."""
        async with self._probing:
            now = asyncio.get_running_loop().time()
            if now >= self._ready_until:
                url = await asyncio.to_thread(self._locate)
                self._ready = url is not None and await _answers(url)
                self._ready_until = asyncio.get_running_loop().time() + READY_KEPT_SECONDS
            return self._ready

    async def close(self) -> None:
        """Close the connections; a later `run` opens new ones."""
        if self._client is None:
            return
        from chromadb.api.async_fastapi import AsyncFastAPI

        self._client, self._is_sound = None, False
        # Chroma's async client has no public way to close: it keeps one pool for each loop.
        pool = AsyncFastAPI._clients.pop(hash(asyncio.get_running_loop()), None)
        if pool is not None:
            await pool.aclose()

    async def _connected(self) -> "AsyncClientAPI":
        async with self._connecting:
            if self._client is not None and self._is_sound:
                return self._client
            url = await asyncio.to_thread(self._locate)
            if url is None or not await _answers(url):
                raise _missing(url, "does not answer")
            if self._client is None or url != self._url:
                self._client = await _open(url)
            self._url, self._is_sound = url, True
            return self._client


async def _answers(url: str) -> bool:
    import httpx2

    try:
        async with asyncio.timeout(PROBE_SECONDS), httpx2.AsyncClient(verify=_trust(url)) as probe:
            answer = await probe.get(f"{url.rstrip('/')}/api/v2/heartbeat")
            return answer.is_success
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError):
        return False


def _trust(url: str) -> ssl.SSLContext:
    """Load the system's certificates only when they are needed: it takes 30 ms."""
    if url.startswith("https:"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _open(url: str) -> "AsyncClientAPI":
    """Make Chroma's client; the import is heavy, so it runs off the loop."""
    await asyncio.to_thread(_import_chromadb)
    import chromadb
    import httpx
    from chromadb.config import Settings
    from chromadb.errors import ChromaError

    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "127.0.0.1", parts.port or (443 if is_tls else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await chromadb.AsyncHttpClient(
                host=host,
                port=port,
                ssl=is_tls,
                settings=Settings(
                    chroma_server_host=host,
                    chroma_server_http_port=port,
                    anonymized_telemetry=False,
                    # Left alone, Chroma's client trusts any certificate.
                    chroma_server_ssl_verify=True,
                ),
            )
    except (TimeoutError, httpx.TimeoutException) as late:
        raise _missing(url, "answers, but too slowly") from late
    except (httpx.HTTPError, ChromaError, ValueError, KeyError) as wrong:
        raise _missing(url, "answers, but not as Chroma should") from wrong


def _import_chromadb() -> None:
    try:
        importlib.import_module("chromadb")
    except ImportError as wrong:
        raise ServiceMissing(
            "Chroma's client is not installed, so memory cannot be used",
            hint="install the package chromadb, or chromadb-client for a server elsewhere",
        ) from wrong


def _missing(url: str | None, what: str) -> ServiceMissing:
    return ServiceMissing(_sentence(url, what), hint=_HINT)


def _sentence(url: str | None, what: str) -> str:
    problem = f"Chroma at {url} {what}" if url else "no Chroma server is known"
    return f"{problem}, so memory cannot be used"
