"""Searching through each service, from a server on the loopback that speaks like it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nexus.errors import ToolRefused
from nexus.tools.searcher import Found, Searcher

TAVILY = {
    "results": [{"title": "T", "url": "https://a.example/", "content": "a\u200bb"}, "junk", {}]
}
BRAVE = {"web": {"results": [{"title": "B", "url": "https://b.example/", "description": "c"}]}}


@asynccontextmanager
async def service(status: int, body: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """Answer every request in the same way; gives its address and what was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = [line for line in head.lower().split("\r\n") if line.startswith("content-length")]
        rest = await reader.readexactly(int(length[0].split(":")[1])) if length else b""
        asked.append(head + rest.decode())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_tavily_is_asked_when_it_has_a_key() -> None:
    async with service(200, json.dumps(TAVILY).encode()) as (address, asked):
        found = await Searcher("tvly-1", "brave-1", base_url=address).search(" two  words ")
    assert found[0] == Found("T", "https://a.example/", "ab")
    assert "authorization: bearer tvly-1" in asked[0].lower()
    assert '"two words"' in asked[0]


async def test_brave_is_asked_otherwise() -> None:
    async with service(200, json.dumps(BRAVE).encode()) as (address, asked):
        found = await Searcher(None, "brave-1", base_url=address).search("x y")
    assert found == [Found("B", "https://b.example/", "c")]
    assert "x-subscription-token: brave-1" in asked[0].lower()
    assert asked[0].startswith("GET /res/v1/web/search?q=x")


async def test_searxng_is_asked_when_there_is_no_key() -> None:
    async with service(200, json.dumps(TAVILY).encode()) as (address, asked):
        found = await Searcher(searxng_url=f"{address}/").search("x y")
        await Searcher(None, "brave-1", searxng_url="http://127.0.0.1:9", base_url=address).search(
            "z"
        )
    assert found[0] == Found("T", "https://a.example/", "ab")
    assert asked[0].startswith("GET /search?q=x+y&format=json")
    assert asked[1].startswith("GET /res/v1/web/search")


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (401, b"bad key tvly-1"), (200, b"<html>"), (302, b"")]
)
async def test_a_failing_service_is_a_refusal_without_the_key(status: int, body: bytes) -> None:
    async with service(status, body) as (address, _):
        with pytest.raises(ToolRefused) as refused:
            await Searcher("tvly-1", base_url=address).search("x")
    assert "tvly-1" not in refused.value.message


@pytest.mark.parametrize("body", [b"[]", b'{"results": 5}', b'{"results": null}'])
async def test_an_unusual_answer_is_no_result(body: bytes) -> None:
    async with service(200, body) as (address, _):
        assert await Searcher("tvly-1", base_url=address).search("x") == []


async def test_a_service_out_of_reach_is_a_refusal() -> None:
    with pytest.raises(ToolRefused, match="out of reach"):
        await Searcher("tvly-1", base_url="http://127.0.0.1:9").search("x")
