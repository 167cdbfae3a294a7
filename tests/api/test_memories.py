"""Memories over HTTP: added, found, put right and deleted for good, with a line for each change."""

import sqlite3
from contextlib import closing

import httpx2

from nexus.settings import Settings


async def test_a_memory_from_its_first_day_to_its_last(
    admin: httpx2.AsyncClient, settings: Settings
) -> None:
    body = {"title": "Door", "text": "The zebrine door is green.", "kind": "fact"}
    key = {"Idempotency-Key": "one"}
    made = await admin.post("/memory/", json=body, headers=key)
    again = await admin.post("/memory/", json=body, headers=key)
    assert made.status_code == again.status_code == 201
    memory = made.json()
    assert again.json() == memory
    assert (memory["trust"], memory["kind"], memory["status"]) == ("user", "fact", "active")
    at = f"/memory/{memory['id']}"
    assert made.headers["location"] == at

    listed = (await admin.get("/memory", params={"kind": "fact", "q": "doo"})).json()["items"]
    assert [one["id"] for one in listed] == [memory["id"]]
    assert (await admin.get("/memory", params={"project_id": "prj_%"})).json()["items"] == []

    edited = await admin.patch(at, json={"text": "The zebrine door is blue."})
    assert edited.status_code == 200, edited.text
    assert edited.json()["text"].endswith("blue.")
    renamed = await admin.patch(at, json={"title": "The door"})
    assert (renamed.json()["title"], renamed.json()["text"][-5:]) == ("The door", "blue.")
    for wrong in ({}, {"text": "\u200b"}, {"text": "é" * 5_000}, {"kind": "note"}):
        assert (await admin.patch(at, json=wrong)).status_code == 422

    assert (await admin.delete(at)).status_code == 204
    assert (await admin.get(at)).status_code == (await admin.delete(at)).status_code == 404
    changes = (await admin.get(f"{at}/changes")).json()["items"]
    assert [one["act"] for one in changes] == ["deleted", "edited", "edited", "added"]
    assert changes[0]["by"].startswith("key_")
    with closing(sqlite3.connect(settings.data / "nexus.db")) as database:
        dump = "\n".join(str(row) for row in _everything(database))
    assert "zebrine" not in dump


def _everything(database: sqlite3.Connection) -> list[tuple[object, ...]]:
    names = [
        row[0]
        for row in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'passage_words%'"
        )
    ]
    rows = [row for name in names for row in database.execute(f'SELECT * FROM "{name}"')]
    words = "SELECT count(*) FROM passage_words WHERE passage_words MATCH 'zebrine'"
    assert database.execute(words).fetchone() == (0,)
    return rows
