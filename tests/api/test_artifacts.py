"""Artifacts are listed and handed over as they are, and nothing else of a folder is."""

from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import FastAPI

from nexus.domain.seam import MadeFile
from nexus.models.writing import Transaction
from nexus.orchestrator.folders import folder_of
from nexus.orchestrator.transitions.artifacts import keep_artifacts
from nexus.orchestrator.turn import Subject, Turn, lock_projects
from nexus.settings import Settings
from tests.api.client import Client


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


async def made(app: FastAPI, client: Client, settings: Settings, *paths: str) -> tuple[str, Path]:
    """Make a project whose agents wrote files; return its id and folder."""
    project = (await client.project())["id"]
    folder = folder_of(settings.data, "default", project)
    files = []
    for path in paths:
        content = f"content of {path}".encode()
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        files.append(MadeFile(path, len(content), sha256(content).hexdigest()))

    about = Subject(project, "default")

    def keep(turn: Turn) -> Transaction[None]:
        yield from lock_projects([project])
        yield from keep_artifacts(turn, [(about, file) for file in files])

    await app.state.parts.engine.run(keep)
    return project, folder


async def test_they_are_listed_a_page_at_a_time_and_downloaded(
    app: FastAPI, client: Client, settings: Settings
) -> None:
    names = [f"out/{number}.txt" for number in range(5)]
    project, _ = await made(app, client, settings, *names, "sales ü.csv", "page.html")
    listed, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await client.http.get(f"/projects/{project}/artifacts", params=params)).json()
        listed += [item["path"] for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(listed) == sorted([*names, "sales ü.csv", "page.html"])
    assert len(listed) == len(set(listed))

    table = await client.http.get(f"/projects/{project}/artifacts/sales ü.csv")
    assert (table.status_code, table.text) == (200, "content of sales ü.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert "filename*=UTF-8''sales%20%C3%BC.csv" in table.headers["content-disposition"]
    page = await client.http.get(f"/projects/{project}/artifacts/page.html")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "unlisted.txt",
        "../../../admin.key",
        "..%2f..%2f..%2fadmin.key",
        "%2e%2e/%2e%2e/%2e%2e/admin.key",
        "/etc/passwd",
        "out",
        "out/../unlisted.txt",
        "",
    ],
)
async def test_nothing_but_artifacts_is_handed_over(
    app: FastAPI, client: Client, settings: Settings, path: str
) -> None:
    project, folder = await made(app, client, settings, "out/a.txt")
    (folder / "unlisted.txt").write_text("not an artifact")
    answer = await client.http.get(f"/projects/{project}/artifacts/{path}")
    if path:
        assert answer.status_code == 404
    assert "not an artifact" not in answer.text
    assert (settings.data / "admin.key").read_text().strip() not in answer.text


async def test_a_link_in_the_place_of_an_artifact_is_not_followed(
    app: FastAPI, client: Client, settings: Settings
) -> None:
    project, folder = await made(app, client, settings, "out/a.txt", "b.txt", "gone.txt")
    (folder / "gone.txt").unlink()
    (folder / "b.txt").unlink()
    (folder / "b.txt").symlink_to(settings.data / "admin.key")
    (folder / "out").rename(folder / "moved")
    (folder / "out").symlink_to(folder / "moved")
    for path in ("out/a.txt", "b.txt", "gone.txt"):
        answer = await client.http.get(f"/projects/{project}/artifacts/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "artifact_gone")
        assert str(settings.data) not in answer.text
