"""From a clone: `.env`, `uvicorn main:app`, `python worker.py`; then a project's whole life over HTTP."""

import httpx2

from tests.e2e.api import Api, plan, task
from tests.e2e.installation import Installation

OFFLINE = {"model": "offline"}


async def test_a_goal_alone_is_planned_executed_and_delivered(api: Api) -> None:
    made = await api.http.post("/projects/", json={"goal": "Compare tea and coffee", **OFFLINE})
    assert made.status_code == 201
    project = made.json()
    assert (project["status"], project["plan_version"]) == ("planning", None)
    path = f"/projects/{project['id']}"
    assert made.headers["location"] == path
    early = await api.http.get(f"{path}/deliverable")
    assert early.status_code == 409

    await _planned(api, project["id"])
    started = await api.http.post(f"{path}/execute")
    assert started.status_code == 202
    assert started.json()["project_id"] == project["id"]
    assert started.json()["queued"] >= 1
    again = await api.http.post(f"{path}/execute")
    assert again.status_code == 409

    ended = await api.end(project["id"])
    assert (ended["status"], ended["error"]) == ("succeeded", None)
    assert ended["created_at"] < ended["started_at"] < ended["finished_at"]
    progress = await api.get(f"{path}/progress")
    assert (progress["status"], progress["percent"]) == ("succeeded", 100)
    tasks = [one for phase in progress["phases"] for one in phase["tasks"]]
    assert sum(progress["counts"].values()) == progress["counts"]["succeeded"] == len(tasks)

    events = await api.events(project["id"])
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    assert progress["last_event_seq"] == len(events)
    assert events == await api.stream(project["id"])
    assert events[3:] == await api.stream(project["id"], after=3)
    assert (events[0]["type"], events[-1]["type"]) == ("project.created", "project.succeeded")

    delivered = await api.http.get(f"{path}/deliverable")
    assert delivered.headers["content-type"].startswith("text/markdown")
    assert "offline" in delivered.text.lower()
    parts = (await api.get(f"{path}/deliverable"))["parts"]
    assert all(part["content"] in delivered.text for part in parts)


async def _planned(api: Api, project_id: str) -> None:
    """Follow the events until the project is planned."""
    async for event in api.listen(project_id, 0):
        if event["type"] == "project.planned":
            return


async def test_a_given_plan_waits_for_its_execution(api: Api) -> None:
    body = {"goal": "Tea", "plan": plan(task("brew"), task("pour", "brew")), **OFFLINE}
    project = (await api.http.post("/projects/", json=body)).json()
    assert (project["status"], project["plan_version"]) == ("planned", 1)
    started = await api.http.post(f"/projects/{project['id']}/execute")
    assert started.json() == {"project_id": project["id"], "status": "running", "queued": 1}
    assert (await api.end(project["id"]))["status"] == "succeeded"
    tasks = await api.tasks(project["id"])
    assert tasks["brew"]["finished_at"] <= tasks["pour"]["started_at"]


async def test_a_project_is_listed_changed_and_deleted(api: Api) -> None:
    body = {"goal": "To be deleted", "plan": plan(task("never")), **OFFLINE}
    project = (await api.http.post("/projects", json=body)).json()
    path = f"/projects/{project['id']}"
    newest = (await api.get("/projects/", limit=1))["items"]
    assert [one["id"] for one in newest] == [project["id"]]
    changed = await api.http.patch(path, json={"name": "Renamed", "metadata": {"team": "tea"}})
    assert (changed.json()["name"], changed.json()["metadata"]) == ("Renamed", {"team": "tea"})
    assert [one["id"] for one in (await api.get("/projects", q="Renamed"))["items"]] == [
        project["id"]
    ]
    assert (await api.http.delete(path)).status_code == 204
    assert (await api.http.get(path)).status_code == 404
    assert (await api.http.get(f"{path}/events")).status_code == 404


async def test_one_idempotency_key_makes_one_project(api: Api) -> None:
    body = {"goal": "Once", "plan": plan(task("once")), **OFFLINE}
    headers = {"Idempotency-Key": "only-once"}
    first = await api.http.post("/projects/", json=body, headers=headers)
    second = await api.http.post("/projects/", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    other = await api.http.post("/projects/", json={**body, "goal": "Twice"}, headers=headers)
    assert other.status_code == 422
    path = f"/projects/{first.json()['id']}/execute"
    starts = [await api.http.post(path, headers={"Idempotency-Key": "go"}) for _ in range(2)]
    assert [one.status_code for one in starts] == [202, 202]
    assert starts[0].json() == starts[1].json()
    assert (await api.end(first.json()["id"]))["status"] == "succeeded"


async def test_health_needs_no_key_and_all_else_does(installation: Installation) -> None:
    async with httpx2.AsyncClient(base_url=installation.url) as anyone:
        assert (await anyone.get("/healthz")).json() == {"status": "ok"}
        ready = await anyone.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {
            "status": "ready",
            "database": "ok",
            "redis": "ok",
            "chroma": "missing",
            "workers": "ok",
        }
        assert (await anyone.get("/projects/")).status_code == 401
    key_file = installation.folder / ".nexus" / "admin.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.read_text() == f"{installation.key}\n"
