"""A disk without room: 507, nothing of the request is stored, and the API goes on."""

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from fastapi import FastAPI

from nexus.models.writing import Query, Transaction
from tests.api.client import Client

MEGABYTE = 1_000_000


def _set_pages(most: int) -> Transaction[None]:
    yield Query(f"PRAGMA max_page_count = {most}")


def _count_pages() -> Transaction[int]:
    rows = yield Query("PRAGMA page_count")
    count: int = rows[0][0]
    return count


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _temporary_files() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("tmp*"))


async def _upload(http: httpx2.AsyncClient, size: int) -> httpx2.Response:
    return await http.post("/documents", files={"file": ("notes.txt", b"word " * (size // 5))})


async def test_a_full_database_is_507_and_keeps_nothing(app: FastAPI, client: Client) -> None:
    database = app.state.parts.database
    await database.run(lambda: _set_pages(1))  # never below what there is
    answer = await _upload(client.http, MEGABYTE)

    assert answer.status_code == 507, answer.text
    assert answer.json()["code"] == "storage_full"
    assert answer.headers["retry-after"]
    assert (await client.http.get("/documents")).json()["items"] == []

    pages = await database.run(_count_pages)
    await database.run(lambda: _set_pages(pages + 1_000))
    assert (await _upload(client.http, MEGABYTE)).status_code == 202


async def test_an_upload_without_room_is_507_and_leaves_no_file(client: Client) -> None:
    with _largest_file(2 * MEGABYTE):
        answer = await _upload(client.http, 5 * MEGABYTE)
        assert answer.status_code == 507, answer.text
        assert (await client.http.get("/documents")).json()["items"] == []

    assert _temporary_files() == []
    assert (await _upload(client.http, MEGABYTE)).status_code == 202
