"""A database that goes away under a running API."""

from fastapi import FastAPI

from tests.api.client import Client


async def test_a_database_that_is_gone_is_503(app: FastAPI, client: Client) -> None:
    await app.state.parts.database.close()
    (app.state.parts.settings.data / "nexus.db").rename(app.state.parts.settings.data / "moved.db")

    answer = await client.http.get("/projects")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "nexus.db" not in answer.text
