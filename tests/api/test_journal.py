"""The journal of a subtask over HTTP: what is large, by reference and in full."""

from typing import Any

import pytest
from fastapi import FastAPI

from nexus.domain.seam import Call, CallKind, Json, Recorded
from nexus.orchestrator.desk import Desk
from nexus.orchestrator.hand import Hand
from nexus.orchestrator.journal import JournalSeam
from nexus.orchestrator.membership import join
from nexus.orchestrator.records import Journal
from nexus.orchestrator.value_files import ROW_BYTES, ValueFiles, folder_of_values
from nexus.wiring import Parts
from tests.api.client import Client
from tests.support.acts import claim

LARGE: Json = {"page": "x" * ROW_BYTES}


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
async def project(client: Client) -> dict[str, Any]:
    return await client.project(auto_execute=True)


@pytest.fixture
async def journal(client: Client, app: FastAPI, project: dict[str, Any]) -> str:
    """Record a large and a small step of the project's subtask; return the journal's path."""
    parts: Parts = app.state.parts
    [task] = (await client.http.get(f"/projects/{project['id']}/tasks")).json()["items"]
    [subtask] = (await client.http.get(f"/tasks/{task['id']}/subtasks")).json()["items"]
    await parts.engine.run(lambda turn: join("wrk_test", 1, 60.0))
    [claimed] = await parts.engine.run(lambda turn: claim(turn, "wrk_test", [subtask["id"]]))
    files = ValueFiles(folder_of_values(parts.settings.data, "default", project["id"]))

    async def effect(key: str) -> Recorded:
        return Recorded(LARGE if key.endswith(":0") else [1])

    async with Desk(parts.engine, Hand("wrk_test"), lambda: None, lambda _: None) as desk:
        seam = JournalSeam(parts.engine, desk, claimed, Journal(), files)
        for name in ("large", "small"):
            await seam.call(Call(CallKind.STEP, name, name, "0" * 64), effect)
    return f"/subtasks/{subtask['id']}/journal"


async def test_what_is_large_is_shown_by_reference(client: Client, journal: str) -> None:
    large, small = (await client.http.get(journal)).json()["items"]
    assert large["result"] is None
    assert large["large_result"]["bytes"] == ROW_BYTES + 11
    assert large["large_result"]["preview"].startswith('{"page":"xxx')
    assert len(large["large_result"]["preview"]) == 1_000
    assert (small["result"], small["large_result"]) == ([1], None)


async def test_one_record_is_shown_in_full(client: Client, journal: str) -> None:
    answer = await client.http.get(journal, params={"number": 0})
    [large] = answer.json()["items"]
    assert large["result"] == LARGE
    assert large["large_result"]["bytes"] == ROW_BYTES + 11
    assert (await client.http.get(journal, params={"number": 9})).json()["items"] == []


async def test_a_file_of_another_machine_is_not_shown(
    client: Client, app: FastAPI, journal: str, project: dict[str, Any]
) -> None:
    folder = folder_of_values(app.state.parts.settings.data, "default", project["id"])
    [file] = folder.iterdir()
    file.unlink()
    [large] = (await client.http.get(journal, params={"number": 0})).json()["items"]
    assert large["result"] is None
    assert large["large_result"]["sha256"] == file.stem


async def test_deleting_the_project_deletes_its_files(
    client: Client, app: FastAPI, journal: str, project: dict[str, Any]
) -> None:
    folder = folder_of_values(app.state.parts.settings.data, "default", project["id"])
    assert folder.is_dir()
    assert (await client.http.post(f"/projects/{project['id']}/cancel")).status_code == 202
    assert (await client.http.delete(f"/projects/{project['id']}")).status_code == 204
    assert not folder.exists()
