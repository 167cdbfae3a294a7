"""Every route against every credential that must not pass; a route this table lacks fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from nexus.main import create_app
from nexus.routers.guards.keys import OPEN_PATHS
from nexus.services.keyring import Keyring
from nexus.settings import Settings
from tests.api.client import Client, client_for, speak
from tests.api.interrupted import interrupt
from tests.api.routes import ROUTES, SAMPLE_FILE, TENANT_ROUTES

ALL_SCOPES = ["read", "write", "execute", "approve", "admin"]


def _routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        for method in (route.methods or set()) - {"HEAD"}:
            path = (route.path or "").rstrip("/")
            if path not in OPEN_PATHS:
                yield method, path


def test_every_route_is_in_the_table() -> None:
    assert set(_routes_of(create_app())) == set(ROUTES)


async def _call(
    http: httpx2.AsyncClient, route: tuple[str, str], ids: dict[str, str]
) -> httpx2.Response:
    method, path = route
    wanted = ROUTES[route]
    return await http.request(
        method, path.replace(":path}", "}").format(**ids), json=wanted.body, files=wanted.files
    )


async def _declare(client: Client) -> str:
    made = await client.http.post(
        "/agents", json={"name": "poet", "description": "Writes.", "prompt": "Write."}
    )
    assert made.status_code == 201, made.text
    name: str = made.json()["name"]
    return name


@pytest.fixture
async def ids(app: FastAPI, client: Client) -> dict[str, str]:
    """Things of the workspace `default`, one for each id a path can hold."""
    asked = await interrupt(app, client)
    project = await client.project(auto_execute=True)
    task = (await client.http.get(f"/projects/{project['id']}/tasks")).json()["items"][0]
    subtask = (await client.http.get(f"/tasks/{task['id']}/subtasks")).json()["items"][0]
    document = await client.http.post("/documents", files=SAMPLE_FILE)
    memory = await client.http.post("/memory", json={"title": "Sky", "text": "It is blue."})
    return {
        "project_id": project["id"],
        "task_id": task["id"],
        "subtask_id": subtask["id"],
        "approval_id": asked["id"],
        "document_id": document.json()["id"],
        "memory_id": memory.json()["id"],
        "key_id": (await client.key())["id"],
        "name": await _declare(client),
        "conversation_id": await speak(app, "poet"),
        "path": "notes/a.txt",
    }


async def test_no_route_answers_without_a_key(
    anyone: httpx2.AsyncClient, ids: dict[str, str]
) -> None:
    for route in ROUTES:
        answer = await _call(anyone, route, ids)
        assert answer.status_code == 401, route
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer",
        "Bearer ",
        "Basic bmV4dXM=",
        "Bearer nx_00000000_" + "a" * 43,
        "nx_x",
        "Bearer \xe9",
    ],
)
async def test_no_other_credential_holds(anyone: httpx2.AsyncClient, sent: str) -> None:
    answer = await anyone.get("/projects", headers=[(b"Authorization", sent.encode("latin-1"))])

    assert answer.status_code == 401


async def test_no_route_answers_a_revoked_key(
    app: FastAPI, client: Client, ids: dict[str, str]
) -> None:
    key = await client.key(scopes=ALL_SCOPES)
    async with client_for(app, key["key"]) as revoked:
        assert (await revoked.get("/projects")).status_code == 200
        assert (await client.http.delete(f"/keys/{key['id']}")).status_code == 204
        for route in ROUTES:
            assert (await _call(revoked, route, ids)).status_code == 401, route


async def test_no_route_answers_without_its_scope(
    app: FastAPI, client: Client, ids: dict[str, str]
) -> None:
    for route, wanted in ROUTES.items():
        scopes = [scope for scope in ALL_SCOPES if scope != wanted.scope]
        key = await client.key(scopes=scopes)
        async with client_for(app, key["key"]) as limited:
            answer = await _call(limited, route, ids)
        assert answer.status_code == 403, route
        assert answer.json()["code"] == "missing_scope"


@pytest.mark.parametrize("route", TENANT_ROUTES, ids=" ".join)
async def test_another_tenants_things_are_not_there(
    app: FastAPI, client: Client, ids: dict[str, str], route: tuple[str, str]
) -> None:
    key = await client.key(workspace="other", scopes=ALL_SCOPES)
    nowhere = {name: f"{value[:4]}{'0' * 26}" for name, value in ids.items()}
    async with client_for(app, key["key"]) as other:
        foreign = await _call(other, route, ids)
        unknown = await _call(other, route, nowhere)

    assert foreign.status_code == unknown.status_code == 404
    assert _without_request(foreign) == _without_request(unknown)


def _without_request(answer: httpx2.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    del told["request_id"], told["instance"]
    return told


async def test_lists_show_one_workspace_alone(
    app: FastAPI, client: Client, ids: dict[str, str]
) -> None:
    key = await client.key(workspace="other", scopes=ALL_SCOPES)
    async with client_for(app, key["key"]) as other:
        for path in ("/projects", "/documents", "/approvals"):
            assert (await other.get(path)).json()["items"] == []
        shown = (await other.get("/keys")).json()["items"]
    assert [item["id"] for item in shown] == [key["id"]]


async def test_only_the_default_workspace_names_others(app: FastAPI, client: Client) -> None:
    key = await client.key(workspace="other", scopes=["admin"])
    async with client_for(app, key["key"]) as other:
        made = await other.post("/keys", json={"name": "spy", "workspace": "default"})
        seen = await other.get("/keys", params={"workspace": "default"})
    assert (made.status_code, seen.status_code) == (403, 403)


async def test_running_at_once_needs_the_scope_to_execute(app: FastAPI, client: Client) -> None:
    key = await client.key(scopes=["read", "write"])
    async with client_for(app, key["key"]) as author:
        answer = await author.post("/projects", json={"goal": "Write", "auto_execute": True})
    assert answer.status_code == 403


async def test_a_key_revoked_elsewhere_is_refused_when_belief_ends(
    app: FastAPI, client: Client, until: Any
) -> None:
    key = await client.key()
    elsewhere = Keyring(app.state.parts.database, app.state.keyring.secret)
    app.state.keyring, here = elsewhere, app.state.keyring
    async with client_for(app, key["key"]) as user:
        assert (await user.get("/projects")).status_code == 200
        app.state.keyring = here
        await client.http.delete(f"/keys/{key['id']}")
        app.state.keyring = elsewhere

        async def is_refused() -> bool:
            return (await user.get("/projects")).status_code == 401

        await until(is_refused, timeout=5)


async def test_an_expired_key_is_refused(app: FastAPI, client: Client, until: Any) -> None:
    key = await client.key(expires_in_seconds=1)
    async with client_for(app, key["key"]) as user:

        async def is_refused() -> bool:
            return (await user.get("/projects")).status_code == 401

        await until(is_refused, timeout=5)


def _text_of(path: Path) -> str:
    return path.read_text()


def _mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_the_admin_key_is_made_once_and_kept_private(settings: Settings) -> None:
    path: Path = settings.data / "admin.key"
    keys = []
    for _ in range(2):
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            keys.append(_text_of(path))
            async with client_for(app, keys[-1].strip()) as admin:
                assert len((await admin.get("/keys")).json()["items"]) == 1
    assert keys[0] == keys[1]
    assert keys[0].endswith("\n")
    assert keys[0].count("\n") == 1
    assert _mode_of(path) == 0o600
    assert _mode_of(settings.data / "secret.key") == 0o600


async def test_a_lost_admin_file_is_not_made_again(settings: Settings) -> None:
    path = settings.data / "admin.key"
    for _ in range(2):
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            pass
        path.unlink(missing_ok=True)
    assert not path.exists()


async def test_keys_are_stored_as_hashes(settings: Settings, client: Client) -> None:
    key = await client.key()

    listed = (await client.http.get("/keys")).text

    assert key["key"] not in listed
    stored = b"".join(path.read_bytes() for path in settings.data.glob("nexus.db*"))
    assert key["key"].encode() not in stored
    assert key["key"].partition("_")[2].partition("_")[2].encode() not in stored
