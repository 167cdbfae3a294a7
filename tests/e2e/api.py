"""Speaking to an installation over HTTP: the acts that tests begin with, and following to the end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from nexus.domain.deltas import DELTA
from tests.e2e.installation import Installation

PATIENCE_SECONDS: Final = 60.0
RECONNECT_SECONDS: Final = 0.01


def task(key: str, *after: str, **fields: Any) -> dict[str, Any]:
    """Write a task of a plan; the content agent does it unless `fields` say otherwise."""
    given = {"title": key.title(), "agent": "content", "instructions": f"Do {key}."}
    return {"key": key, "depends_on": list(after), **given, **fields}


def plan(*tasks: dict[str, Any]) -> dict[str, Any]:
    """Write a plan of one phase whose tasks wait for nothing but their dependencies."""
    phase = {"key": "only", "title": "Only", "execution": "parallel", "tasks": list(tasks)}
    return {"phases": [phase]}


@dataclass(frozen=True, slots=True)
class Api:
    """A client with a key."""

    http: httpx2.AsyncClient

    async def get(self, path: str, **params: Any) -> Any:
        """Read a JSON answer."""
        answer = await self.http.get(path, params=params, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def start(self, goal: str, **fields: Any) -> str:
        """Make a project that runs as soon as it is planned; return its id."""
        body = {"goal": goal, "auto_execute": True, **fields}
        answer = await self.http.post("/projects", json=body)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    async def end(self, project_id: str, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Follow a project's events to the end of the stream; return the project."""
        async with asyncio.timeout(within):
            await self.stream(project_id)
        shown: dict[str, Any] = await self.get(f"/projects/{project_id}")
        return shown

    async def stream(self, project_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Follow a project's events until the server ends the stream; return them.

        A server that goes away is asked again with Last-Event-ID, as any client would.
        """
        events: list[dict[str, Any]] = []
        while not (events and _is_last(events[-1])):
            with suppress(httpx2.TransportError):
                async for event in self.listen(project_id, events[-1]["seq"] if events else after):
                    events.append(event)
            await asyncio.sleep(RECONNECT_SECONDS)
        assert [one["seq"] for one in events] == list(range(after + 1, after + 1 + len(events)))
        return events

    async def listen(self, project_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
        """Read events from one connection until the server ends it."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/projects/{project_id}/events"
        async with self.http.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields.get("event") == DELTA:
                    assert "id" not in fields
                    fields = {}
                elif "data" in fields:
                    event: dict[str, Any] = json.loads(fields["data"])
                    assert (fields["id"], fields["event"]) == (str(event["seq"]), event["type"])
                    fields = {}
                    yield event

    async def tasks(self, project_id: str) -> dict[str, dict[str, Any]]:
        """Read a project's tasks by key."""
        page = await self.get(f"/projects/{project_id}/tasks", limit=200)
        return {one["key"]: one for one in page["items"]}

    async def events(self, project_id: str) -> list[dict[str, Any]]:
        """Read a project's events as pages."""
        events: list[dict[str, Any]] = []
        while True:
            after = events[-1]["seq"] if events else 0
            page = await self.get(f"/projects/{project_id}/events", after=after, limit=200)
            if not page["items"]:
                return events
            events += page["items"]


def _is_last(event: dict[str, Any]) -> bool:
    return event["type"] in ("project.succeeded", "project.failed", "project.cancelled")


@asynccontextmanager
async def open_api(installation: Installation) -> AsyncIterator[Api]:
    """Open a client with the admin key."""
    async with httpx2.AsyncClient(
        base_url=installation.url,
        headers={"Authorization": f"Bearer {installation.key}"},
        timeout=30,
    ) as http:
        yield Api(http)
