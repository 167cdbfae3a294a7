"""What tests of the API share: clients, plans and keys."""

from typing import Any

import httpx2
from fastapi import FastAPI

from nexus.orchestrator.chatting import NewMessage


def client_for(app: FastAPI, key: str | None) -> httpx2.AsyncClient:
    """Speak to the app as a server would; a crash is the 500 a client would see."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
        base_url="http://nexus",
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )


def plan_of(*keys: str, agent: str = "content", chain: bool = False) -> dict[str, Any]:
    """Write a plan of one phase with a task for each key."""
    tasks = [
        {"key": key, "title": key.title(), "agent": agent, "instructions": f"Do {key}."}
        for key in keys
    ]
    execution = "sequential" if chain else "parallel"
    phase = {"key": "main", "title": "Main", "execution": execution, "tasks": tasks}
    return {"phases": [phase]}


async def speak(app: FastAPI, agent: str) -> str:
    """Begin a conversation in the workspace `default`, which nobody answers; return its id."""
    engine, message = app.state.parts.engine, NewMessage("default", agent, "Hello")
    queued = await engine.run(lambda turn: engine.converse(turn, message))
    conversation_id: str = queued.conversation_id
    return conversation_id


class Client:
    """A client with the acts that most tests begin with."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def project(self, **fields: Any) -> dict[str, Any]:
        """Make a project with a plan of one task."""
        body = {"goal": "Write a page", "plan": plan_of("page"), **fields}
        answer = await self.http.post("/projects", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def key(self, **fields: Any) -> dict[str, Any]:
        """Make an API key."""
        answer = await self.http.post("/keys", json={"name": "test", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made
