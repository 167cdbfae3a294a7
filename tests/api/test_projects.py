"""Projects: made, listed, shown, edited, executed, deleted."""

import pytest

from tests.api.client import Client, plan_of


@pytest.fixture
def where(database_url: str) -> str:
    """Run everything here on SQLite and on PostgreSQL."""
    return database_url


async def test_a_project_with_a_plan_is_planned_at_once(client: Client) -> None:
    made = await client.project(name="A page", metadata={"team": "docs"})

    assert made["status"] == "planned"
    assert made["name"] == "A page"
    assert made["plan_version"] == 1
    assert made["metadata"] == {"team": "docs"}
    assert made["usage"]["cost_usd"] == "0.00"
    shown = (await client.http.get(f"/projects/{made['id']}")).json()
    # The first event is written after the answer was made, and is the project's last change.
    assert shown["updated_at"] >= made["updated_at"]
    assert {**shown, "updated_at": ""} == {**made, "updated_at": ""}


async def test_a_project_without_a_plan_is_being_planned(client: Client) -> None:
    made = await client.project(plan=None)

    assert made["status"] == "planning"
    assert made["plan_version"] is None
    assert (await client.http.get(f"/projects/{made['id']}/plan")).status_code == 404


async def test_creating_answers_with_the_location(client: Client) -> None:
    answer = await client.http.post("/projects/", json={"goal": "Write a page"})

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/projects/{answer.json()['id']}"


@pytest.mark.parametrize(
    ("goal", "name"),
    [
        ("Write a page. Then print it.", "Write a page"),
        ("\n  Compare a and b\nin a table", "Compare a and b"),
        ("What is new, e.g. in Rome? Say it.", "What is new, e.g. in Rome?"),
        ("word " * 40, "word " * 15 + "word…"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
async def test_a_name_is_the_goals_first_sentence_cut_at_a_word(
    client: Client, goal: str, name: str
) -> None:
    made = (await client.http.post("/projects", json={"goal": goal})).json()
    assert made["name"] == name


async def test_the_plan_is_given_back_with_an_etag(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two"))

    answer = await client.http.get(f"/projects/{made['id']}/plan")

    assert answer.headers["etag"] == '"1"'
    assert answer.json()["version"] == 1
    assert [task["key"] for task in answer.json()["plan"]["phases"][0]["tasks"]] == ["one", "two"]
    assert (await client.http.get(f"/projects/{made['id']}/plan?version=2")).status_code == 404


async def test_executing_queues_what_is_ready_and_only_once(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two", chain=True))

    started = await client.http.post(f"/projects/{made['id']}/execute")
    again = await client.http.post(f"/projects/{made['id']}/execute")

    assert started.status_code == 202
    assert started.json() == {"project_id": made["id"], "status": "running", "queued": 1}
    assert again.status_code == 409
    assert again.json()["code"] == "illegal_transition"


async def test_progress_counts_every_task_once(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two", "three", chain=True))
    await client.http.post(f"/projects/{made['id']}/execute")

    progress = (await client.http.get(f"/projects/{made['id']}/progress")).json()

    assert progress["counts"]["queued"] == 1
    assert progress["counts"]["pending"] == 2
    assert sum(progress["counts"].values()) == 3
    assert progress["percent"] == 0
    assert [task["status"] for task in progress["phases"][0]["tasks"]] == [
        "queued",
        "pending",
        "pending",
    ]
    assert progress["phases"][0]["status"] == "queued"


async def test_progress_without_tasks_says_the_same(client: Client) -> None:
    made = await client.project(plan=plan_of("one", "two"))
    path = f"/projects/{made['id']}/progress"

    whole = (await client.http.get(path)).json()
    short = (await client.http.get(path, params={"detail": "phases"})).json()

    for phase in whole["phases"]:
        del phase["tasks"]
    assert short == whole


async def test_a_cancelled_project_can_be_retried(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}"
    await client.http.post(f"{path}/execute")

    cancelled = await client.http.post(f"{path}/cancel")
    assert cancelled.json() == {"project_id": made["id"], "status": "cancelled"}
    assert (await client.http.post(f"{path}/cancel")).status_code == 409
    retried = await client.http.post(f"{path}/retry")

    assert retried.status_code == 202
    assert retried.json() == {"project_id": made["id"], "status": "running"}


async def test_only_what_failed_or_was_cancelled_is_retried(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}"

    planned = await client.http.post(f"{path}/retry")
    await client.http.post(f"{path}/execute")
    running = await client.http.post(f"{path}/retry")

    assert (planned.status_code, running.status_code) == (409, 409)


async def test_a_project_is_edited_and_deleted(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}"

    edited = await client.http.patch(path, json={"name": "Other", "metadata": {"a": 1}})
    assert edited.json()["name"] == "Other"
    assert edited.json()["metadata"] == {"a": 1}
    assert (await client.http.delete(path)).status_code == 204
    assert (await client.http.get(path)).status_code == 404


async def test_a_running_project_is_not_deleted(client: Client) -> None:
    made = await client.project(auto_execute=True)

    assert made["status"] == "running"
    assert (await client.http.delete(f"/projects/{made['id']}")).status_code == 409


async def test_a_list_is_paged_newest_first(client: Client) -> None:
    made = [(await client.project(name=f"Project {number}"))["id"] for number in range(5)]

    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await client.http.get("/projects", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == made[::-1]


async def test_a_list_is_filtered(client: Client) -> None:
    await client.project(name="Penguins of the south")
    running = await client.project(name="100% sure", auto_execute=True)

    by_status = await client.http.get("/projects", params={"status": "running"})
    by_words = await client.http.get("/projects", params={"q": "PENGUINS"})
    by_sign = await client.http.get("/projects/", params={"q": "0%"})

    assert [item["id"] for item in by_status.json()["items"]] == [running["id"]]
    assert [item["name"] for item in by_words.json()["items"]] == ["Penguins of the south"]
    assert [item["id"] for item in by_sign.json()["items"]] == [running["id"]]


async def test_tasks_are_listed_in_the_order_of_the_plan(client: Client) -> None:
    made = await client.project(plan=plan_of("c", "a", "b"))
    path = f"/projects/{made['id']}/tasks"

    first = (await client.http.get(path, params={"limit": 2})).json()
    second = (await client.http.get(path, params={"cursor": first["next_cursor"]})).json()

    assert [task["key"] for task in first["items"] + second["items"]] == ["c", "a", "b"]
    assert second["next_cursor"] is None
    shown = await client.http.get(f"/tasks/{first['items'][0]['id']}")
    assert shown.json() == first["items"][0]


async def test_the_work_of_a_task_is_listed(client: Client) -> None:
    made = await client.project(auto_execute=True)
    task = (await client.http.get(f"/projects/{made['id']}/tasks")).json()["items"][0]

    subtasks = (await client.http.get(f"/tasks/{task['id']}/subtasks")).json()["items"]
    journal = await client.http.get(f"/subtasks/{subtasks[0]['id']}/journal")

    assert [subtask["status"] for subtask in subtasks] == ["queued"]
    assert journal.json() == {"items": [], "next_cursor": None}


async def test_there_is_no_deliverable_before_the_end(client: Client) -> None:
    made = await client.project()
    path = f"/projects/{made['id']}/deliverable"
    assert (await client.http.get(path)).status_code == 409

    await client.http.post(f"/projects/{made['id']}/cancel")

    as_text = await client.http.get(path)
    assert as_text.headers["content-type"].startswith("text/markdown")
    assert "Not delivered" in as_text.text
    as_json = await client.http.get(path, headers={"Accept": "application/json"})
    assert as_json.json()["missing"][0]["key"] == "page"


async def test_agents_are_listed_with_the_one_that_plans(client: Client) -> None:
    agents = (await client.http.get("/agents")).json()["items"]

    assert {"manager", "research", "content", "qa"} <= {agent["name"] for agent in agents}
    one = await client.http.get("/agents/manager")
    assert one.json()["plannable"] is False
    assert (await client.http.get("/agents/nobody")).status_code == 404


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"agent": "nobody"}, "plan.phases[0].tasks[0].agent"),
        ({"depends_on": ["ghost"]}, "plan.phases[0].tasks[0].depends_on[0]"),
        ({"depends_on": ["page"]}, "plan.phases[0].tasks[0].depends_on"),
        ({"key": "no spaces"}, "plan.phases[0].tasks[0].key"),
        ({"max_attempts": True}, "plan.phases[0].tasks[0].max_attempts"),
        ({"colour": "red"}, "plan.phases[0].tasks[0].colour"),
        ({"on_rejection": "deliver"}, "plan.phases[0].tasks[0].on_rejection"),
        ({"on_rejection": "shrug", "review": True}, "plan.phases[0].tasks[0].on_rejection"),
    ],
)
async def test_a_wrong_plan_is_refused_with_the_place(
    client: Client, change: dict[str, object], place: str
) -> None:
    plan = plan_of("page")
    plan["phases"][0]["tasks"][0].update(change)

    answer = await client.http.post("/projects", json={"goal": "Write", "plan": plan})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["place"] == place


@pytest.mark.parametrize("field", ["template", "inputs"])
async def test_what_is_not_built_yet_is_refused(client: Client, field: str) -> None:
    answer = await client.http.post("/projects", json={"goal": "Write", field: {}})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"place": field, "message": "not supported yet: leave it out"}
    ]


async def test_unknown_documents_and_models_are_refused(client: Client) -> None:
    documents = await client.http.post("/projects", json={"goal": "W", "document_ids": ["doc_1"]})
    model = await client.http.post("/projects", json={"goal": "W", "model": "nobody:nothing"})

    assert documents.status_code == 422
    assert documents.json()["errors"][0]["place"] == "document_ids[0]"
    assert model.status_code == 422
    assert model.json()["errors"][0]["place"] == "model"
