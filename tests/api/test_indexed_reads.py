"""No read walks through a table: its cost follows from what it shows, not from what there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from nexus.models.address import Dialect
from nexus.models.writing import Query
from nexus.services import events, keyring, progress, task_texts
from nexus.wiring import Parts
from tests.api.client import Client, plan_of, speak

ASKED = (
    Query(progress.STANDING, ("prj_1", "default")),
    Query(task_texts.ALL, ("prj_1",)),
    Query(task_texts.CHANGED, ("prj_1", 7)),
    Query(keyring.KEY, ("hash",)),
    Query(events.LISTED + events.OWNED, ("prj_1", 7, 200, "default")),
    Query(events.STREAMED, ("prj_1", 7, 200)),
)


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What SQLAlchemy sends to databases meanwhile."""
    heard: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> None:
        if sql.startswith("SELECT"):
            heard.append((sql, values))

    event.listen(Engine, "before_cursor_execute", hear)
    yield heard
    event.remove(Engine, "before_cursor_execute", hear)


async def plan_of_query(parts: Parts, sql: str, values: Any) -> str:
    """Ask the database how it would answer, as if its tables were large."""
    address = parts.database.address
    on_sqlite = address.dialect is Dialect.SQLITE
    engine = create_async_engine(address.sqlalchemy_url)
    async with engine.connect() as connection:
        if not on_sqlite:
            await connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        rows = (await connection.exec_driver_sql(explain + sql, values)).all()
    await engine.dispose()
    return "\n".join(str(row[-1]) for row in rows)


async def plan_of_question(parts: Parts, question: Query) -> str:
    """The same for what is asked past SQLAlchemy."""
    if parts.database.address.dialect is Dialect.SQLITE:
        asked = [Query("EXPLAIN QUERY PLAN " + question.sql, question.values)]
    else:
        explained = Query("EXPLAIN " + question.sql, question.values)
        asked = [Query("SET LOCAL enable_seqscan = off"), explained]
    *_, rows = await parts.database.ask(*asked)
    return "\n".join(str(row[-1]) for row in rows)


def walks(plan: str) -> list[str]:
    """Name the steps of a plan that read a whole table."""
    tables = [
        "tasks",
        "subtasks",
        "events",
        "projects",
        "journal",
        "plan_versions",
        "api_keys",
        "messages",
        "conversations",
    ]
    lines = [line.strip() for line in plan.splitlines()]
    return [
        line
        for line in lines
        if "Seq Scan" in line or any(line == f"SCAN {name}" for name in (*tables, "t", "s", "p"))
    ]


async def test_lists_and_pages_are_read_by_index(
    app: FastAPI, client: Client, statements: list[tuple[str, Any]]
) -> None:
    made = await client.project(plan=plan_of("one", "two"), auto_execute=True)
    project = f"/projects/{made['id']}"
    first = (await client.http.get(f"{project}/tasks", params={"limit": 1})).json()
    task = f"/tasks/{first['items'][0]['id']}"
    (subtask,) = (await client.http.get(f"{task}/subtasks")).json()["items"]
    listed = (await client.http.get("/projects", params={"limit": 1})).json()
    assert len(listed["items"]) == 1
    conversation = await speak(app, "content")
    for path in (
        "/projects?status=running",
        project,
        f"{project}/tasks?limit=1&cursor={first['next_cursor']}",
        task,
        f"/subtasks/{subtask['id']}/journal",
        "/documents",
        f"/agents/content/chat/{conversation}?before=9",
    ):
        assert (await client.http.get(path)).status_code == 200, path

    asked = list(statements)
    assert len(asked) > 10
    for sql, values in asked:
        plan = await plan_of_query(app.state.parts, sql, values)
        assert walks(plan) == [], f"{sql}\n{plan}"


async def test_what_watchers_ask_is_read_by_index(app: FastAPI) -> None:
    parts: Parts = app.state.parts
    for question in ASKED:
        plan = await plan_of_question(parts, question)
        assert walks(plan) == [], f"{question.sql}\n{plan}"


async def test_progress_by_phases_reads_no_task(app: FastAPI) -> None:
    plan = await plan_of_question(app.state.parts, ASKED[0])

    assert "phases" in plan
    assert "tasks" not in plan


async def test_an_event_page_begins_where_the_last_one_ended(app: FastAPI) -> None:
    """However long the history is, only the page itself is read."""
    for question in ASKED[-2:]:
        plan = await plan_of_question(app.state.parts, question)
        assert "(project_id=? AND seq>?)" in plan or "seq > '7'::bigint" in plan, plan
