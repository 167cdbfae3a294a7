"""Documents as people use them: the same again, changed, by address; over HTTP and the command line."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nexus.tools.fetch.fetcher import Fetcher
from tests.api.chat.talking import serving, speaking
from tests.support.chroma import ChromaServer
from tests.support.rig import Rig, open_rig
from tests.support.waiting import until

URL = "https://birds.example/penguins.html"


@pytest.fixture
async def rig(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    chroma = ChromaServer(tmp_path / "chroma")
    places = {"database_url": database_url, "redis_url": redis_url, "chroma_url": chroma.start()}
    async with open_rig(tmp_path, **places) as opened:
        yield opened
    chroma.stop()


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(rig) as app, speaking(rig, app) as opened, rig.worker():
        yield opened


async def _add(client: httpx2.AsyncClient, name: str, text: str, **form: str) -> dict[str, Any]:
    answer = await client.post("/documents", files={"file": (name, text.encode())}, data=form)
    return await _over(client, answer)


async def _over(client: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    """Wait until a document is not being read any more."""
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = answer.json()

    async def is_over() -> bool:
        nonlocal shown
        shown = (await client.get(f"/documents/{shown['id']}")).json()
        return bool(shown["status"] != "processing")

    await until(is_over, timeout=30)
    return shown


async def _found(client: httpx2.AsyncClient, query: str) -> list[str]:
    answer = await client.post("/memory/search", json={"query": query})
    return [one["text"] for one in answer.json()["items"]]


async def test_the_same_is_known_again_and_what_changed_is_replaced(
    client: httpx2.AsyncClient,
) -> None:
    first = await _add(client, "price.txt", "The bridge costs 1111 thalers.")
    again = await _add(client, "copy.txt", "The bridge costs 1111 thalers.")
    assert again == first
    changed = await _add(client, "price.txt", "The bridge costs 2222 thalers.")
    assert changed["id"] == first["id"]
    assert await _found(client, "What does the bridge cost?") == ["The bridge costs 2222 thalers."]
    other = await _add(client, "price.txt", "The tower costs 3333 thalers.", source="towers")
    assert other["id"] != first["id"]
    assert len((await client.get("/documents")).json()["items"]) == 2
    assert (await client.delete(f"/documents/{first['id']}")).status_code == 204
    assert await _found(client, "bridge 2222") in ([], ["The tower costs 3333 thalers."])


async def test_what_a_document_said_before_it_became_like_another_is_not_found(
    client: httpx2.AsyncClient,
) -> None:
    first = await _add(client, "a.txt", "The secret is 1111 thalers.")
    other = await _add(client, "b.txt", "The tower costs 3333 thalers.")
    changed = await _add(client, "a.txt", "The tower costs 3333 thalers.")
    assert changed["id"] == first["id"]
    found = await _found(client, "How many thalers is the secret? 1111")
    assert not [text for text in found if "1111" in text]
    third = await _add(client, "c.txt", "The tower costs 3333 thalers.")
    assert third["id"] in (first["id"], other["id"])
    again = await _add(client, "b.txt", "The bridge is long.")
    assert again["id"] == other["id"]
    assert "The tower costs 3333 thalers." in await _found(client, "What does the tower cost?")


async def test_memories_meet_the_filter_and_share_the_tokens(client: httpx2.AsyncClient) -> None:
    document = await _add(client, "owls.txt", "The tawny owl hunts mice at night.")
    body = {"title": "Owls", "text": "The tawny owl hunts at night.", "kind": "fact"}
    memory = (await client.post("/memory", json=body)).json()["id"]

    async def found(most: int | None = None, **chosen: Any) -> tuple[list[str], str | None]:
        shelves = ["documents", "memories"]
        wanted = {
            "query": "When does the tawny owl hunt?",
            "filter": {"shelves": shelves, **chosen},
        }
        answer = await client.post("/memory/search", json=wanted | {"max_tokens": most})
        assert answer.status_code == 200, answer.text
        return [one["document_id"] for one in answer.json()["items"]], answer.json()["note"]

    assert set((await found())[0]) == {document["id"], memory}
    assert await found(document_ids=[document["id"]]) == ([document["id"]], None)
    assert await found(document_ids=[memory]) == ([memory], None)
    assert (await found(media_types=["text/html"]))[0] == []
    some, note = await found(12)
    assert (len(some), note) == (1, "1 more would not fit into max_tokens")


async def test_uploads_under_one_file_name_are_told_apart_by_their_titles(
    client: httpx2.AsyncClient,
) -> None:
    sea = await _add(client, "report.txt", "The sea is wide.", title="Sea")
    bridge = await _add(client, "report.txt", "The bridge is long.", title="Bridge")
    assert sea["id"] != bridge["id"]
    assert "The sea is wide." in await _found(client, "How wide is the sea?")
    again = await _add(client, "other.txt", "The sea is deep.", title="Sea")
    assert again["id"] == sea["id"]
    found = await _found(client, "What is the sea like?")
    assert "The sea is deep." in found
    assert "The sea is wide." not in found


async def test_a_page_is_fetched_and_read_and_fetched_again_when_added_again(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {URL: "<h1>Birds</h1><p>Penguins eat krill.</p>"}
    asked: list[str] = []

    async def follow(_: Fetcher, url: str, most: int) -> tuple[str, str, bytes]:
        asked.append(url)
        return url, "text/html", pages[url].encode()

    monkeypatch.setattr(Fetcher, "_follow", follow)
    first = await _over(client, await client.post("/documents", data={"url": URL}, files={}))
    assert (first["status"], first["media_type"], first["title"]) == ("ready", "text/html", URL)
    assert len(await _found(client, "What do penguins eat?")) == 1
    (passage,) = (await client.post("/memory/search", json={"query": "krill"})).json()["items"]
    assert await _over(client, await client.post("/documents", data={"url": f"{URL}#top"})) == first
    (same,) = (await client.post("/memory/search", json={"query": "krill"})).json()["items"]
    assert same["id"] == passage["id"]
    pages[URL] = "<h1>Birds</h1><p>Penguins eat fish.</p>"
    again = await _over(client, await client.post("/documents", data={"url": URL}))
    assert again["id"] == first["id"]
    assert "fish" in (await _found(client, "What do penguins eat?"))[0]
    assert asked == [URL] * 3


async def test_text_is_read_in_the_encoding_that_its_media_type_names(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "text/plain; charset=windows-1251"
    content = "Пингвины едят рыбу.".encode("cp1251")
    sent = await client.post("/documents", files={"file": ("birds.txt", content, told)})
    assert (await _over(client, sent))["media_type"] == "text/plain"
    assert await _found(client, "пингвины") == ["Пингвины едят рыбу."]

    async def follow(_: Fetcher, url: str, __: int) -> tuple[str, str, bytes]:
        return url, "text/html; charset=koi8-r", "<p>Совы едят мышей.".encode("koi8-r")

    monkeypatch.setattr(Fetcher, "_follow", follow)
    page = await _over(client, await client.post("/documents", data={"url": URL}))
    assert page["status"] == "ready"
    assert "Совы едят мышей." in await _found(client, "совы")
    refused = await client.post("/documents", files={"file": ("birds.txt", content)})
    assert refused.status_code == 422
    assert "charset=" in refused.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://169.254.169.254/", "http://[::1]/"]
)
async def test_an_address_inside_is_not_fetched(client: httpx2.AsyncClient, url: str) -> None:
    shown = await _over(client, await client.post("/documents", data={"url": url}))
    assert (shown["status"], shown["error"]["code"]) == ("failed", "document_unreachable")
    assert "could not be fetched" in shown["error"]["message"]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"url": "http://["},
        {"url": "http://birds.example/ x"},
        {"url": "http://a@birds.example"},
        {"url": "ftp://birds.example"},
        {"url": "birds"},
        {"url": URL, "source": "a"},
    ],
)
async def test_what_is_neither_file_nor_address_is_refused(
    client: httpx2.AsyncClient, form: dict[str, str]
) -> None:
    answer = await client.post("/documents", data={"title": "A title", **form})
    assert answer.status_code == 422
    assert "url" in answer.text
