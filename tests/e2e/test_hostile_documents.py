"""Documents that cannot be read, sent to a whole installation: each says why, the good one is read."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.api.chat.talking import serving, speaking
from tests.memory.test_hostile_files import bomb
from tests.support.chroma import ChromaServer
from tests.support.rig import open_rig
from tests.support.waiting import until

GIGABYTE = 1024**3
AT_ONCE = {
    "photo.docx": b"\x89PNG\r\n\x1a\n",
    "latin.txt": "un caf\xe9 au lait".encode("latin-1"),
    "empty.md": b"",
    "nul.csv": b"a,b\0c",
    "old.doc": b"\xd0\xcf\x11\xe0",
}
LATER: dict[str, Callable[[], bytes]] = {
    "bomb.docx": bomb,
    "deep.json": lambda: b"[" * 100_000,
    "broken.pdf": lambda: b"%PDF-1.7 and no more",
    "scripts.html": lambda: b"<script>steal()</script>",
}


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path / "chroma")
    server.start()
    yield server
    server.stop()


async def test_bad_documents_say_why_and_good_ones_are_read(
    tmp_path: Path, redis_url: str, chroma: ChromaServer
) -> None:
    async with (
        open_rig(tmp_path, redis_url=redis_url, chroma_url=chroma.url) as rig,
        serving(rig) as app,
        speaking(rig, app) as client,
        rig.worker(),
    ):
        for name, content in AT_ONCE.items():
            answer = await client.post("/documents", files={"file": (name, content)})
            assert answer.status_code == 422, name
            assert name in answer.json()["detail"]
        for name, make in LATER.items():
            answer = await client.post("/documents", files={"file": (name, make())})
            assert answer.status_code == 202, name
        good = {"file": ("good.html", b"<h1>Birds</h1><p>Penguins swim.</p>")}
        assert (await client.post("/documents", files=good)).status_code == 202

        async def all_are_over() -> bool:
            shown = (await client.get("/documents")).json()["items"]
            return all(one["status"] != "processing" for one in shown)

        await until(all_are_over, timeout=60)
        shown = {one["title"]: one for one in (await client.get("/documents")).json()["items"]}
        assert shown.pop("good.html")["status"] == "ready"
        assert shown.keys() == LATER.keys()
        for name, one in shown.items():
            assert one["status"] == "failed", name
            assert one["error"]["code"] == "document_unreadable"
            assert name in one["error"]["message"]
            assert one["error"]["hint"]
        found = await client.post("/memory/search", json={"query": "what do penguins do?"})
        assert [one["title"] for one in found.json()["items"]] == ["good.html"]


def _largest(folder: Path) -> int:
    return max(one.stat().st_size for one in folder.rglob("*") if one.is_file())


async def test_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path, redis_url: str) -> None:
    sent = 0

    async def lines() -> AsyncIterator[bytes]:
        nonlocal sent
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'
        yield head
        while sent < GIGABYTE:
            sent += 1024**2
            yield b"1,2,3,4\n" * (1024**2 // 8)

    async with (
        open_rig(tmp_path, redis_url=redis_url) as rig,
        serving(rig) as app,
        speaking(rig, app) as client,
    ):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        told = {**headers, "Content-Length": str(GIGABYTE)}
        answer = await client.post("/documents", content=lines(), headers=told)
        assert answer.status_code == 413
        assert "at most 50 MB" in answer.json()["detail"]
        answer = await client.post("/documents", content=lines(), headers=headers)
        assert answer.status_code == 413
    assert _largest(tmp_path) < 10**7
