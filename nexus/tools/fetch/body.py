"""Reads a response's body with a cap on its decoded size, so that no bomb is ever unpacked."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

from nexus.errors import ToolRefused

MOST_BYTES: Final = 2 * 1024**2
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def read_body(chunks: AsyncIterator[bytes], encoding: str, most: int = MOST_BYTES) -> bytes:
    """Return the decoded body.

    Raises:
        ToolRefused: it is larger than `most` bytes, broken, or encoded in another way.
    """
    coding = encoding.strip().lower()
    if coding not in ("", "identity", *_WINDOWS):
        raise ToolRefused(f"the page is encoded as {coding[:40]!r}, which is not read")
    decoder = zlib.decompressobj(_WINDOWS[coding]) if coding in _WINDOWS else None
    body = bytearray()
    async for chunk in chunks:
        try:
            room = most + 1 - len(body)
            body += chunk if decoder is None else decoder.decompress(chunk, room)
        except zlib.error:
            raise ToolRefused("the page's compression is broken") from None
        if len(body) > most:
            raise ToolRefused(f"the page is larger than {most} bytes")
    return bytes(body)
