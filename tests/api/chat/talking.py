"""What tests of conversations share: an API beside a rig, and reading a stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import FastAPI

from nexus.main import create_app
from tests.api.client import client_for
from tests.support.rig import Rig


@asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[FastAPI]:
    """Open the API over a rig's database."""
    app = create_app(rig.settings)
    async with app.router.lifespan_context(app):
        yield app


@asynccontextmanager
async def speaking(rig: Rig, app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client with the admin key."""
    key = (rig.settings.data / "admin.key").read_text().strip()
    async with client_for(app, key) as client:
        client.timeout = httpx2.Timeout(60)
        yield client


async def say(client: httpx2.AsyncClient, agent: str, message: str, **more: Any) -> dict[str, Any]:
    """Send a message and return the exchange."""
    answer = await client.post(f"/agents/{agent}/chat", json={"message": message, **more})
    assert answer.status_code == 200, answer.text
    exchange: dict[str, Any] = answer.json()
    return exchange


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the events of a stream's text; comments and words still being written are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields.get("event", "model.delta") != "model.delta":
            found.append((fields["event"], json.loads(fields["data"])))
    return found
