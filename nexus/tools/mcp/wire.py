"""What travels between Nexus and a server: JSON-RPC requests in the dialect of its revision.

Source: modelcontextprotocol.io, revisions 2024-11-05 to 2025-11-25 (a handshake first) and
2026-07-28 (every request tells about its client, and there is no handshake).
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from nexus import __version__

HANDSHAKE: Final = "2025-11-25"
STATELESS: Final = "2026-07-28"
METHOD_NOT_FOUND: Final = -32601
MOST_MESSAGE: Final = 8 * 1024**2
CLIENT: Final = {"name": "nexus", "version": __version__}
_META: Final = "io.modelcontextprotocol"

Message = dict[str, Any]


class LinkLost(Exception):
    """The way to a server is gone; whoever holds the link drops it."""


class Answered(Exception):
    """A server answered with an error of its own; `code` is JSON-RPC's."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Dialect:
    """How requests are written for one server: its revision, and whether they stand alone."""

    revision: str = HANDSHAKE
    is_stateless: bool = False

    def params(self, params: Message) -> Message:
        """Add what a request of this revision carries."""
        if not self.is_stateless:
            return params
        meta = {
            f"{_META}/protocolVersion": self.revision,
            f"{_META}/clientInfo": CLIENT,
            f"{_META}/clientCapabilities": {},
        }
        return {**params, "_meta": meta}


class Link(Protocol):
    """A way to one server. Requests may be made side by side."""

    dialect: Dialect

    @property
    def is_open(self) -> bool: ...

    async def request(self, method: str, params: Message, seconds: float) -> Message:
        """Ask for something and return its result.

        Raises:
            LinkLost: the server is gone, or said what is no message.
            Answered: it answered with an error.
            TimeoutError: it did not answer in time.
        """
        ...

    async def notify(self, method: str) -> None:
        """Tell something that has no answer."""
        ...

    async def close(self) -> None:
        """End the link, and the server if it is ours."""
        ...


def request(number: int, method: str, params: Message) -> Message:
    """Write a request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method: str, params: Message | None = None) -> Message:
    """Write a notification."""
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}


def result_of(message: Message) -> Message:
    """Return the result of an answer.

    Raises:
        Answered: the answer is an error.
    """
    error = message.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        words = str(error.get("message") or "an error without words")[:1_000]
        raise Answered(code if isinstance(code, int) else 0, words)
    result = message.get("result")
    return result if isinstance(result, dict) else {}


async def greet(link: Link, seconds: float) -> None:
    """Find out which revision a server speaks, by a handshake; one that has none needs none.

    Raises:
        LinkLost: see `Link.request`.
        TimeoutError: see `Link.request`.
        Answered: it speaks no revision of ours.
    """
    asked = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT}
    try:
        told = await link.request("initialize", asked, seconds)
    except Answered:
        link.dialect = Dialect(STATELESS, is_stateless=True)
        await link.request("server/discover", {}, seconds)
        return
    link.dialect = Dialect(str(told.get("protocolVersion") or HANDSHAKE))
    await link.notify("notifications/initialized")
