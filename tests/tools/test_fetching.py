"""Fetching from a real server on the loopback: redirects, sizes, encodings, extraction."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

import pytest
from pypdf import PdfWriter

from nexus.errors import ToolRefused
from nexus.tools.fetch.addresses import Address
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.fetch.reading import read_page

Answer = Callable[[str, str], bytes]
PAGE = (
    b"<html><head><title>Penguins</title></head><body><article><h1>Penguins</h1>"
    b"<p>" + b"Penguins are birds that swim. " * 20 + b"</p></article></body></html>"
)


def reply(body: bytes, kind: str = "text/html", status: str = "200 OK", extra: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


def redirect(place: str) -> bytes:
    return reply(b"", status="302 Found", extra=f"Location: {place}\r\n")


@asynccontextmanager
async def site(answer: Answer) -> AsyncIterator[int]:
    """Serve `answer(path, host)` on the loopback; gives the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        host = next(x[6:] for x in head.split("\r\n") if x.lower().startswith("host: "))
        writer.write(answer(path, host))
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def fetcher(port: int, seconds: float = 20) -> Fetcher:
    """Return a fetcher that takes example names to the loopback, and allows it and nothing else."""

    async def resolve(host: str, asked: int) -> list[str]:
        return [host if host[0].isdigit() else "127.0.0.1"]

    def allows(address: Address) -> bool:
        return address == ip_address("127.0.0.1")

    return Fetcher(resolve, allows, ports=frozenset({port}), total_seconds=seconds)


async def test_a_page_is_fetched_under_its_own_name() -> None:
    hosts: list[str] = []

    def answer(path: str, host: str) -> bytes:
        hosts.append(host)
        return reply(PAGE)

    async with site(answer) as port:
        page = await fetcher(port).fetch(f"http://birds.example:{port}/penguins#top")
    assert hosts == [f"birds.example:{port}"]
    assert page.url == f"http://birds.example:{port}/penguins"
    assert page.title == "Penguins"
    assert "Penguins are birds that swim." in page.text


async def test_redirects_are_followed_and_each_is_checked() -> None:
    def answer(path: str, host: str) -> bytes:
        return redirect("/b") if path == "/a" else reply(b"there", "text/plain")

    async with site(answer) as port:
        page = await fetcher(port).fetch(f"http://birds.example:{port}/a")
    assert (page.url.endswith("/b"), page.text) == (True, "there")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("http://169.254.169.254:{port}/latest/meta-data/", "not public"),
        ("http://2852039166:{port}/", "disguise"),
        ("http://birds.example:6379/", "port"),
        ("file:///etc/passwd", "only http"),
        ("gopher://127.0.0.1:{port}/", "only http"),
        ("http://a:b@birds.example:{port}/", "password"),
        ("/again", "redirects more than"),
    ],
)
async def test_a_redirect_to_what_is_not_allowed_is_refused(place: str, reason: str) -> None:
    ports: list[int] = []

    def answer(path: str, host: str) -> bytes:
        return redirect(place.format(port=ports[0]))

    async with site(answer) as port:
        ports.append(port)
        with pytest.raises(ToolRefused, match=reason):
            await fetcher(port).fetch(f"http://birds.example:{port}/a")


async def test_every_connection_looks_its_name_up_once() -> None:
    lookups: list[str] = []

    async def resolve(host: str, asked: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"] if len(lookups) == 1 else ["10.0.0.1"]

    async with site(lambda path, host: reply(b"x", "text/plain")) as port:
        one = Fetcher(resolve, lambda a: str(a) == "127.0.0.1", ports=frozenset({port}))
        assert (await one.fetch(f"http://birds.example:{port}/")).text == "x"
    assert lookups == ["birds.example"]


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with site(lambda path, host: reply(b"direct", "text/plain")) as port:
        assert (await fetcher(port).fetch(f"http://birds.example:{port}/")).text == "direct"


async def test_gzip_is_read_and_a_bomb_is_not_unpacked() -> None:
    bodies = {"/ok": gzip.compress(b"packed"), "/bomb": gzip.compress(bytes(60 * 1024**2))}

    def answer(path: str, host: str) -> bytes:
        return reply(bodies[path], "text/plain", extra="Content-Encoding: gzip\r\n")

    async with site(answer) as port:
        assert (await fetcher(port).fetch(f"http://birds.example:{port}/ok")).text == "packed"
        with pytest.raises(ToolRefused, match="larger than"):
            await fetcher(port).fetch(f"http://birds.example:{port}/bomb")


async def test_large_unknown_and_failing_answers_are_refused() -> None:
    answers = {
        "/large": reply(b"x" * (2 * 1024**2 + 1), "text/plain"),
        "/image": reply(b"\x89PNG", "image/png"),
        "/gone": reply(b"", status="404 Not Found"),
        "/junk": b"junk\r\n\r\n",
        "/brotli": reply(b"x", extra="Content-Encoding: br\r\n"),
    }
    async with site(lambda path, host: answers[path]) as port:
        for path in answers:
            with pytest.raises(ToolRefused):
                await fetcher(port).fetch(f"http://birds.example:{port}{path}")


async def test_a_stalled_answer_is_given_up_in_time() -> None:
    stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(stalled)
        await release.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ToolRefused, match="did not answer"):
            await fetcher(port, seconds=0.3).fetch(f"http://birds.example:{port}/")
        release.set()


async def test_hidden_characters_are_stripped() -> None:
    hidden = "a\u200bb\u202ec\U000e0041d\x00e\ufe0ff\x1b[31mg"
    page = await read_page("http://x/", "text/plain; charset=utf-8", hidden.encode())
    assert page.text == "abcdef[31mg"


async def test_a_pdf_is_recognised_by_its_bytes() -> None:
    writer = PdfWriter()
    writer.add_blank_page(width=72, height=72)
    writer.add_metadata({"/Title": "Annual report"})
    held = io.BytesIO()
    writer.write(held)
    page = await read_page("http://x/", "application/octet-stream", held.getvalue())
    assert page.title == "Annual report"


@pytest.mark.parametrize("body", [b"%PDF-1.7 broken", b"%PDF-"])
async def test_a_broken_pdf_is_refused(body: bytes) -> None:
    with pytest.raises(ToolRefused, match="extracted"):
        await read_page("http://x/", "application/pdf", body)


async def test_extraction_ends_with_its_time() -> None:
    with pytest.raises(ToolRefused, match="in time"):
        await read_page("http://x/", "text/html", PAGE, seconds=0.01)


async def test_long_text_is_cut_and_says_so() -> None:
    page = await read_page("http://x/", "text/plain", b"x" * 100_000)
    assert (len(page.text), page.truncated) == (60_000, True)


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "zip", "unheard-of"])
async def test_a_charset_that_is_no_encoding_of_pages_is_not_used(charset: str) -> None:
    """Decoding punycode takes Python time that grows with the square of the page."""
    body = b"a" * 1_000_000 + b"-" + b"b" * 1_000_000
    page = await read_page("http://x/", f"text/plain; charset={charset}", body)
    assert page.text.startswith("aaa")


async def test_the_server_names_the_encoding_of_text() -> None:
    page = await read_page(
        "http://x/", "text/plain; charset=Windows-1251", "птица".encode("cp1251")
    )
    assert page.text == "птица"
