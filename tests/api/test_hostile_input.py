"""Whatever a client sends, the answer is 4xx, short, and repeats nothing of it."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from nexus.routers.guards.bodies import BodyGuard
from tests.api.client import Client, plan_of

JSON = {"Content-Type": "application/json"}
CANARY = "canary-5f3a"

HOSTILE: dict[str, bytes] = {
    "half a surrogate pair": b'{"goal": "\\ud800"}',
    "half a surrogate pair in a name": b'{"goal": "x", "\\udfff": 1}',
    "raw surrogate": b'{"goal": "\xed\xa0\x80"}',
    "NUL": b'{"goal": "a\\u0000b"}',
    "NaN": b'{"goal": "x", "metadata": {"a": NaN}}',
    "Infinity": b'{"goal": "x", "metadata": {"a": -Infinity}}',
    "1e400": b'{"goal": "x", "metadata": {"a": 1e400}}',
    "2^63": b'{"goal": "x", "metadata": {"a": 9223372036854775808}}',
    "huge number": b'{"goal": "x", "metadata": {"a": ' + b"9" * 10_000 + b"}}",
    "the same huge number twice": b'{"goal": "x", "a": '
    + b"9" * 5_000
    + b', "a": '
    + b"9" * 5_000
    + b"}",
    "900 arrays": b'{"goal": "x", "metadata": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}",
    "100,000 brackets": b"[" * 100_000,
    "33 levels": b"[" * 33 + b"]" * 33,
    "UTF-16": '{"goal": "x"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"goal": "x"}'.encode("utf-16-le"),
    "UTF-32": '{"goal": "x"}'.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"goal": "x"}',
    "unknown field": b'{"goal": "x", "canary-5f3a": 1}',
    "an unknown field with a strange name": b'{"goal": "x", "<script>": 1}',
    "a strange provider": b'{"goal": "x", "model": "<script>:x"}',
    "a strange model without a key": b'{"goal": "x", "model": "groq:<script>"}',
    "a strange agent": b'{"goal": "x", "plan": {"phases": [{"key": "p", "title": "P", "tasks": '
    b'[{"key": "t", "title": "T", "agent": "<script>", "instructions": "Do."}]}]}}',
    "true for a number": b'{"goal": "x", "auto_execute": 1}',
    "number for text": b'{"goal": 5}',
    "blank goal": b'{"goal": "  \\n "}',
    "long goal": b'{"goal": "' + b"x" * 20_001 + b'"}',
    "no JSON": b"goal=x",
    "cut off": b'{"goal": "x',
    "unbalanced": b"]]]]{{{{",
    "only quotes": b'"' * 50_001,
    "a backslash": b'"\\',
    "a list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "nothing": b"",
    "a number": b"1",
    "too many values": b'{"goal": "x", "metadata": {"a": [' + b"0," * 500_000 + b"0]}}",
    "17 MB": b'{"goal": "' + b"x" * 17_000_000 + b'"}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_body_is_the_callers_error(client: Client, name: str) -> None:
    answer = await client.http.post("/projects", content=HOSTILE[name], headers=JSON)

    _is_a_problem(answer)


def _is_a_problem(answer: httpx2.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) <= 4_096
    told = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(told)
    assert told["status"] == answer.status_code
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json; charset=utf-16", "x"]
)
async def test_the_content_type_does_not_matter_to_the_guards(
    client: Client, content_type: str
) -> None:
    body = b'{"goal": "\\ud800"}'

    answer = await client.http.post(
        "/projects", content=body, headers={"Content-Type": content_type}
    )

    _is_a_problem(answer)


async def test_only_a_body_with_a_plan_may_be_large(client: Client) -> None:
    body = json.dumps({"query": "x", "filter": {"document_ids": ["d" * 30] * 40_000}}).encode()

    answer = await client.http.post("/memory/search", content=body, headers=JSON)

    assert answer.status_code == 413
    _is_a_problem(answer)


async def test_a_plan_of_ten_thousand_tasks_is_taken(client: Client) -> None:
    plan = plan_of(*(f"task-{number}" for number in range(10_000)))

    made = await client.project(plan=plan)

    progress = (await client.http.get(f"/projects/{made['id']}/progress")).json()
    assert progress["counts"]["pending"] == 10_000


async def test_one_task_more_is_refused(client: Client) -> None:
    plan = plan_of(*(f"task-{number}" for number in range(10_001)))

    answer = await client.http.post("/projects", json={"goal": "x", "plan": plan})

    _is_a_problem(answer)


async def test_a_cycle_is_named_and_the_answer_short(client: Client) -> None:
    keys = [f"{'k' * 55}{number:05}" for number in range(2_000)]
    plan = plan_of(*keys)
    for number, task in enumerate(plan["phases"][0]["tasks"]):
        task["depends_on"] = [keys[number - 1]]

    answer = await client.http.post("/projects", json={"goal": "x", "plan": plan})

    _is_a_problem(answer)
    assert "cycle" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "target",
    [
        "/projects/%00",
        "/projects?q=%00",
        "/projects?limit=0",
        "/projects?limit=201",
        "/projects?limit=true",
        "/projects?limit=1e3",
        "/projects?limit=99999999999999999999999",
        "/projects?cursor=nonsense",
        "/projects?cursor=%F0%9F%92%A9",
        "/projects?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5Og",
        "/projects?colour=red",
        "/projects?status=asleep",
        "/projects/%ED%A0%80",
        "/projects/..%2F..%2Fetc",
        "/projects/prj_1/events?after=-1",
        "/projects/prj_1/events?after=9223372036854775808",
        "/projects/prj_1/plan?version=99999999999",
        "/nowhere",
        "/projects/prj_1/pause/",
        "/" + "x" * 3_000,
    ],
)
async def test_a_hostile_address_is_the_callers_error(client: Client, target: str) -> None:
    _is_a_problem(await client.http.get(target))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_a_method_that_is_not_there_is_405(client: Client, method: str) -> None:
    answer = await client.http.request(method, "/projects")

    assert answer.status_code == 405
    _is_a_problem(answer)


async def test_large_headers_are_refused(client: Client) -> None:
    answer = await client.http.get("/projects", headers={"X-Large": "x" * 70_000})

    assert answer.status_code == 431
    _is_a_problem(answer)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\xe9", "\x7f"])
async def test_a_strange_idempotency_key_is_refused(client: Client, key: str) -> None:
    answer = await client.http.post(
        "/projects", json={"goal": "x"}, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )

    _is_a_problem(answer)


@pytest.mark.parametrize("event_id", ["x", "-1", "9" * 30, "1.5"])
async def test_a_strange_last_event_id_is_refused(client: Client, event_id: str) -> None:
    made = await client.project()

    answer = await client.http.get(
        f"/projects/{made['id']}/events", headers={"Last-Event-ID": event_id}
    )

    _is_a_problem(answer)


@pytest.mark.parametrize(
    ("files", "data"),
    [
        ({}, {"title": "x"}),
        ({"file": ("empty.txt", b"")}, {}),
        ({"file": ("program", b"\x7fELF\x02\x01")}, {}),
        ({"file": ("nul.txt", b"a\0b")}, {}),
        ({"file": ("x.txt", b"x"), "other": ("y.txt", b"y")}, {}),
        ({"file": ("x.txt", b"x")}, {"colour": "red"}),
        ({"file": ("x.txt", b"x")}, {"title": "t" * 201}),
        ({"file": ("  ", b"x")}, {}),
    ],
)
async def test_a_hostile_upload_is_the_callers_error(
    client: Client, files: dict[str, Any], data: dict[str, str]
) -> None:
    _is_a_problem(await client.http.post("/documents", files=files, data=data))


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain"]
)
async def test_a_broken_form_is_the_callers_error(client: Client, content_type: str) -> None:
    answer = await client.http.post(
        "/documents", content=b"--x\r\nnonsense", headers={"Content-Type": content_type}
    )

    _is_a_problem(answer)


async def test_an_upload_of_more_than_50_mb_is_refused(client: Client) -> None:
    files = {"file": ("large.txt", b"x" * 51_000_000, "text/plain")}

    answer = await client.http.post("/documents", files=files)

    assert answer.status_code == 413
    _is_a_problem(answer)


async def test_nothing_that_was_sent_comes_back(client: Client) -> None:
    answers = [
        await client.http.post("/projects", json={"goal": 5, "name": CANARY}),
        await client.http.post("/projects", content=CANARY.encode(), headers=JSON),
        await client.http.get(f"/projects/{CANARY}"),
        await client.http.get("/projects", params={"status": CANARY}),
    ]

    for answer in answers:
        _is_a_problem(answer)
        assert CANARY not in answer.text


async def test_a_body_that_stalls_is_408(app: FastAPI) -> None:
    silent: list[Any] = []
    guard = BodyGuard(app, idle_seconds=0.02)

    async def receive() -> Any:
        if silent:
            await _never()
        silent.append(True)
        return {"type": "http.request", "body": b'{"go', "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/projects",
        "headers": [],
        "query_string": b"",
    }
    await guard(scope, receive, send)

    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "too_slow"


async def _never() -> None:
    await asyncio.Event().wait()
