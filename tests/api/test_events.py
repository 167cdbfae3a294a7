"""The history of a project: in pages, and followed by a stream of a real server to its end."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from nexus.main import create_app
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.membership import join
from nexus.routers.streams import server_state
from nexus.schemas.events import EventPage
from nexus.settings import Settings
from tests.api.client import Client, plan_of

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@asynccontextmanager
async def served(settings: Settings, until: Any) -> AsyncIterator[tuple[uvicorn.Server, Client]]:
    """Run a real server on a free port."""
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="on", ws="none", log_config=None)
    )
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started or running.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    key = (settings.data / "admin.key").read_text().strip()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}
    ) as http:
        try:
            yield server, Client(http)
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, 10)


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """Parse a stream of server-sent events."""
    event: dict[str, str] = {}
    async for line in lines:
        if not line and event:
            data = json.loads(event["data"])
            assert event == {"id": str(data["seq"]), "event": data["type"], "data": event["data"]}
            yield data
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


async def test_the_history_comes_in_pages_without_gaps(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two"), auto_execute=True)
    path = f"/projects/{made['id']}/events"

    seen: list[dict[str, Any]] = []
    after = "0"
    while True:
        page = (await client.http.get(path, params={"after": after, "limit": 2})).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        after = page["next_cursor"]

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert [event["type"] for event in seen][:3] == [
        "project.created",
        "project.planned",
        "project.started",
    ]
    assert {event["project_id"] for event in seen} == {made["id"]}


async def test_a_page_is_what_the_schema_says(app: FastAPI, client: Client) -> None:
    """The database writes the text of events; their data comes back as it was told."""
    name = 'täglich "quoted"\n\u2028 back\\slash \U0001f427'
    made = await client.project(name=name, auto_execute=True)
    await client.http.post(f"/projects/{made['id']}/cancel")

    answer = await client.http.get(f"/projects/{made['id']}/events")

    page = EventPage.model_validate_json(answer.content, strict=True)
    assert page.model_dump() == answer.json()
    assert page.items[0].data == {"name": name}
    assert all(re.fullmatch(MOMENT, event.at) for event in page.items)
    task = (await client.http.get(f"/projects/{made['id']}/tasks")).json()["items"][0]
    about = [(event.type, event.task_id, event.attempt) for event in page.items]
    assert ("task.cancelled", task["id"], None) in about
    assert ("subtask.cancelled", task["id"], 0) in about


async def test_a_stream_follows_a_project_to_its_end(settings: Settings, until: Any) -> None:
    async with served(settings, until) as (_, client):
        made = await client.project()
        path = f"/projects/{made['id']}"
        seen: list[str] = []
        async with client.http.stream("GET", f"{path}/events", headers=STREAM) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for event in read_events(answer.aiter_lines()):
                seen.append(event["type"])
                if event["type"] == "project.planned":
                    await client.http.post(f"{path}/execute")
                if event["type"] == "subtask.queued":
                    await client.http.post(f"{path}/cancel")

        assert seen[:3] == ["project.created", "project.planned", "project.started"]
        assert "project.cancelled" in seen


async def test_a_stream_goes_on_where_it_broke_off(settings: Settings, until: Any) -> None:
    async with served(settings, until) as (_, client):
        made = await client.project()
        await client.http.post(f"/projects/{made['id']}/cancel")
        path = f"/projects/{made['id']}/events"
        whole = (await client.http.get(path)).json()["items"]

        for headers, params in (
            ({"Last-Event-ID": "1"}, {}),
            ({}, {"after": "1"}),
            ({}, {"cursor": "1"}),
        ):
            async with client.http.stream(
                "GET", path, headers={**STREAM, **headers}, params=params
            ) as answer:
                seen = [event async for event in read_events(answer.aiter_lines())]
            assert seen == whole[1:]


async def test_an_open_stream_does_not_hold_up_the_end_of_the_server(
    settings: Settings, until: Any
) -> None:
    async with served(settings, until) as (server, client):
        made = await client.project()
        path = f"/projects/{made['id']}/events"
        async with client.http.stream("GET", path, headers=STREAM) as answer:
            lines = answer.aiter_lines()
            assert (await anext(read_events(lines)))["seq"] == 1
            server.should_exit = True
            async with asyncio.timeout(5):
                assert [line async for line in lines if line.startswith("event: project.f")] == []


async def test_a_stream_ends_with_its_key(settings: Settings, until: Any) -> None:
    async with served(settings, until) as (_, client):
        made = await client.project()
        key = await client.key(scopes=["read"])
        path = f"/projects/{made['id']}/events"
        headers = {**STREAM, "Authorization": f"Bearer {key['key']}"}
        async with client.http.stream("GET", path, headers=headers) as answer:
            lines = answer.aiter_lines()
            await anext(read_events(lines))
            await client.http.delete(f"/keys/{key['id']}")
            async with asyncio.timeout(5):
                assert all([not line.startswith("event: key") async for line in lines])


async def test_a_stream_of_no_project_is_404(client: Client) -> None:
    answer = await client.http.get("/projects/prj_0/events", headers=STREAM)

    assert answer.status_code == 404


async def test_malformed_http_is_refused_by_the_server(settings: Settings, until: Any) -> None:
    async with served(settings, until) as (server, _):
        port = server.servers[0].sockets[0].getsockname()[1]
        for raw in (b"nonsense\r\n\r\n", b"GET /projects/\xff HTTP/1.1\r\nHost: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            head = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            await writer.wait_closed()
            assert b" 4" in head


async def test_health_needs_no_key(anyone: httpx2.AsyncClient) -> None:
    assert (await anyone.get("/healthz")).json() == {"status": "ok"}
    ready = await anyone.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "database": "ok",
        "redis": "missing",
        "chroma": "missing",
        "workers": "missing",
    }


@pytest.mark.parametrize("minutes", [-90, 0, 90])
async def test_leases_of_workers_are_judged_by_the_clock_they_run_by(
    app: FastAPI, anyone: httpx2.AsyncClient, where: str, minutes: int
) -> None:
    """The clock of a PostgreSQL may be another than this machine's; SQLite has no clock."""
    parts = app.state.parts
    if where.startswith("postgresql"):
        await parts.database.run(lambda: _set_clock(minutes))

    async def workers() -> object:
        return (await anyone.get("/readyz")).json()["workers"]

    await parts.engine.run(lambda turn: join("wrk_of_this_test", 1, -60.0))
    assert await workers() == "missing"
    await parts.engine.run(lambda turn: join("wrk_of_this_test", 1, 60.0))
    assert await workers() == "ok"


def _set_clock(minutes: int) -> Transaction[None]:
    yield Query(
        "CREATE OR REPLACE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT "
        f"(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + {minutes * 60_000_000} $$"
    )


async def test_memory_out_of_reach_is_503(client: Client) -> None:
    answer = await client.http.post("/memory/search", json={"query": "penguins"})

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "NEXUS_CHROMA_URL" in answer.text


async def test_a_crash_is_a_short_500(app: FastAPI, client: Client) -> None:
    app.state.workshop = None

    answer = await client.http.get("/agents")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "NoneType" not in answer.text


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.default_int_handler])
def test_without_a_server_nothing_is_closing(handler: Any) -> None:
    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert server_state()() is False
    finally:
        signal.signal(signal.SIGTERM, before)
