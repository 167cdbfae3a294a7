"""Which addresses a task may open unasked: those that people, searches and pages gave it.

A page leads on to the addresses it links to, if what follows the `?` is short: data leaves
by query strings.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from nexus.domain.seam import Json

URL: Final = re.compile(r"https?://[^\s<>\"'`)\]}|\\^]+", re.IGNORECASE)
HOST: Final = re.compile(r"(?<![\w@./-])(?:[a-z0-9-]+\.)+[a-z]{2,24}(?![\w@-]|\.\w)", re.IGNORECASE)
TAIL: Final = ".,;:!?*_"
MAX_QUERY: Final = 64
MOST: Final = 5_000


class Addresses:
    """Addresses and hosts that a task has come to know, by where they come from."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._linked: set[str] = set()
        self._hosts: set[str] = set()

    def add_said(self, text: str) -> None:
        """Trust what people named: their addresses, and every page of the sites they named."""
        for url in URL.findall(text):
            self._add(self._known, url)
            self._hosts.add(host_of(url))
        self._hosts.update(host.lower().removeprefix("www.") for host in HOST.findall(text))

    def add_found(self, value: Json) -> None:
        """Learn from a result of a tool that reaches outside: a page, or what a search found."""
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("url"), str):
                self._add(self._known, str(row["url"]))
                links = row.get("links")
                for link in links if isinstance(links, list) else ():
                    self._add(self._linked, str(link))

    def knows(self, url: str) -> bool:
        """Tell whether an address may be opened unasked."""
        plain = plain_url(url)
        if plain in self._known:
            return True
        is_short = len(plain.partition("?")[2]) <= MAX_QUERY
        return is_short and (plain in self._linked or host_of(url) in self._hosts)

    def _add(self, among: set[str], url: str) -> None:
        if len(among) < MOST:
            among.add(plain_url(url.rstrip(TAIL)))


def plain_url(url: str) -> str:
    """Write an address in one way: lower-case scheme and host, no fragment, no closing slash."""
    try:
        parts = urlsplit(url.strip())
        host = parts.netloc.lower()
    except ValueError:
        return url
    if "@" in host:
        return url
    return f"{parts.scheme.lower()}://{host}{parts.path.rstrip('/')}" + (
        f"?{parts.query}" if parts.query else ""
    )


def host_of(url: str) -> str:
    """Name the host of an address, without `www.`; empty when there is none."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    if "@" in parts.netloc:
        return ""
    return (parts.hostname or "").lower().removeprefix("www.")
