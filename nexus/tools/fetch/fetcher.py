"""Fetches public pages: one lookup a connection, and a connection to that very address.

The policy is a wall against what a page can make a model ask for: addresses of this machine,
its network or its cloud's metadata, reached directly, by a name, or by a redirect.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

from nexus.errors import ToolRefused, TransientFailure
from nexus.tools.fetch.addresses import Address, check_host, is_public, parse
from nexus.tools.fetch.body import MOST_BYTES, read_body
from nexus.tools.fetch.page import Download, Page
from nexus.tools.fetch.reading import read_page

Resolve = Callable[[str, int], Awaitable[list[str]]]

_TOTAL_SECONDS: Final = 20.0
_DOWNLOAD_SECONDS: Final = 60.0
_MOST_HOPS: Final = 5
_MOST_URL: Final = 2_048
_MOST_TRIED: Final = 3
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; Nexus; fetches pages on a person's behalf)",
    "Accept": "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "en,*;q=0.5",
}


async def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of `host`."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Fetcher:
    """Fetches one page or file at a time without cookies, proxies or connections kept open."""

    def __init__(
        self,
        resolve: Resolve = resolve_host,
        allows: Callable[[Address], bool] = is_public,
        *,
        ports: frozenset[int] = frozenset({80, 443}),
        total_seconds: float = _TOTAL_SECONDS,
    ) -> None:
        self._resolve = resolve
        self._allows = allows
        self._ports = ports
        self._total_seconds = total_seconds
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, url: str) -> Page:
        """Fetch `url` and return its readable text.

        Raises:
            ToolRefused: the URL is not allowed, out of reach, too large, or not text.
        """
        try:
            async with asyncio.timeout(self._total_seconds):
                final, media_type, body = await self._follow(url)
                return await read_page(final, media_type, body)
        except TimeoutError:
            raise ToolRefused(
                f"{url[:200]} did not answer within {self._total_seconds:g} s"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            raise ToolRefused(f"{url[:200]} could not be fetched: {_reason(error)}") from error

    async def download(self, url: str, most: int) -> Download:
        """Fetch what is at `url` as it is, of at most `most` bytes.

        Raises:
            ToolRefused: the URL is not allowed, unknown, or what is there is too large.
            TransientFailure: out of reach or too slow; worth another attempt.
        """
        try:
            async with asyncio.timeout(_DOWNLOAD_SECONDS):
                return Download(*(await self._follow(url, most)))
        except TimeoutError:
            raise TransientFailure(
                f"{url[:200]} did not answer within {_DOWNLOAD_SECONDS:g} s"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            raise TransientFailure(f"{url[:200]} could not be fetched: {_reason(error)}") from error

    async def close(self) -> None:
        """Nothing is kept open between fetches."""

    async def _follow(self, url: str, most: int = MOST_BYTES) -> tuple[str, str, bytes]:
        target = self._checked(url)
        for _ in range(_MOST_HOPS + 1):
            answer = await self._hop(target, most)
            if not isinstance(answer, str):
                return str(target), *answer
            target = self._checked(str(target.join(answer)))
        raise ToolRefused(f"{url[:200]} redirects more than {_MOST_HOPS} times")

    def _checked(self, text: str) -> httpx2.URL:
        """Return the URL if its form is allowed; addresses are checked when connecting."""
        text = text.strip()
        if len(text) > _MOST_URL or any(one <= " " or one in '\\"<>\x7f' for one in text):
            raise ToolRefused("the URL is too long or contains characters a URL cannot have")
        try:
            url = httpx2.URL(text)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ToolRefused(f"this is not a URL: {error}") from None
        if url.scheme not in _DEFAULT_PORTS:
            raise ToolRefused(f"only http and https are fetched, not {url.scheme[:20]!r}")
        if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
            raise ToolRefused("URLs with a user name or password are not fetched")
        if self._port(url) not in self._ports:
            raise ToolRefused(f"port {url.port} is not fetched from; only 80 and 443 are")
        check_host(url.raw_host.decode("ascii"))
        return url.copy_with(fragment=None)

    def _port(self, url: httpx2.URL) -> int:
        return url.port or _DEFAULT_PORTS[url.scheme]

    async def _hop(self, url: httpx2.URL, most: int) -> tuple[str, bytes] | str:
        """Return media type and body, or where the answer redirects to."""
        addresses = await self._addresses(url)
        for address in addresses[:-1]:
            try:
                return await self._ask(url, address, most)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._ask(url, addresses[-1], most)

    async def _addresses(self, url: httpx2.URL) -> list[Address]:
        host = url.raw_host.decode("ascii")
        try:
            answers = [parse(one) for one in await self._resolve(host, self._port(url))]
        except (OSError, UnicodeError):
            raise ToolRefused(f"the host {host!r} is not known") from None
        if not answers:
            raise ToolRefused(f"the host {host!r} has no address")
        if not all(self._allows(address) for address in answers):
            raise ToolRefused(f"the host {host!r} leads to an address that is not public")
        return sorted(answers, key=lambda address: address.version)[:_MOST_TRIED]

    async def _ask(self, url: httpx2.URL, address: Address, most: int) -> tuple[str, bytes] | str:
        """Send one request to `address` itself; name and certificate stay those of the URL."""
        host = url.raw_host.decode("ascii")
        request = httpx2.Request(
            "GET",
            url.copy_with(host=str(address)),
            headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": host, "timeout": _timeouts(self._total_seconds)},
        )
        async with httpx2.AsyncHTTPTransport(verify=self._context(), trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            response.request = request
            try:
                if response.status_code in _REDIRECTS and "location" in response.headers:
                    return response.headers["location"]
                if response.status_code != 200:
                    raise ToolRefused(f"{url} answered {response.status_code}")
                coding = response.headers.get("content-encoding", "")
                body = await read_body(response.aiter_raw(), coding, most)
                return response.headers.get("content-type", ""), body
            finally:
                await response.aclose()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx2.create_ssl_context(trust_env=False)
        return self._tls


def _timeouts(total_seconds: float) -> dict[str, float]:
    return {"connect": 5.0, "read": total_seconds, "write": 5.0, "pool": 5.0}


def _reason(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
