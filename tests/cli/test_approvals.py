"""`nexus approvals` as a process, against recorded answers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.api_double import Reply, serving
from tests.cli.test_run import nexus

PENDING: dict[str, Any] = {
    "id": "apr_1",
    "kind": "interrupted_call",
    "status": "pending",
    "question": "The tool send_letter of the task page was interrupted. Shall it be called again?",
    "project_id": "prj_1",
    "task_id": "tsk_1",
    "subtask_id": "sub_1",
    "call": {
        "number": 3,
        "kind": "tool",
        "name": "send_letter",
        "arguments": '{"to":"Ada"}',
        "begun_at": "2026-01-01T12:00:00.000000Z",
    },
    "decision": None,
    "created_at": "2026-01-01T12:00:05.000000Z",
    "decided_at": None,
    "used_at": None,
}


@pytest.fixture
def serve() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_questions_are_listed_as_a_table_and_as_json(serve: ExitStack, tmp_path: Path) -> None:
    page = Reply({"items": [PENDING], "next_cursor": None})
    api = serve.enter_context(serving({"GET /approvals": [page]}))

    table = nexus(api, tmp_path, "approvals", "list")
    listed = nexus(api, tmp_path, "approvals", "list", "--status", "all", "--json")
    short = nexus(api, tmp_path, "approvals")
    short_json = nexus(api, tmp_path, "approvals", "--json")

    assert (short.stdout, json.loads(short_json.stdout)) == (table.stdout, {"items": [PENDING]})
    assert table.returncode == 0, table.stderr
    assert "apr_1" in table.stdout
    assert "Shall it be called again?" in table.stdout
    assert json.loads(listed.stdout) == {"items": [PENDING]}


def test_a_question_is_shown_with_its_call(serve: ExitStack, tmp_path: Path) -> None:
    api = serve.enter_context(serving({"GET /approvals/apr_1": [Reply(PENDING)]}))

    shown = nexus(api, tmp_path, "approvals", "show", "apr_1")
    as_json = nexus(api, tmp_path, "approvals", "show", "apr_1", "--json")

    assert 'call: send_letter {"to":"Ada"}' in shown.stdout.splitlines()
    assert json.loads(as_json.stdout) == PENDING


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["approve", "apr_1"], {"decision": "approve", "comment": None}),
        (
            ["approve", "apr_1", "--value", '{"letter": 7}', "--comment", "found it"],
            {"decision": "approve", "comment": "found it", "value": {"letter": 7}},
        ),
        (
            ["approve", "apr_1", "--value", "sent by hand"],
            {"decision": "approve", "comment": None, "value": "sent by hand"},
        ),
        (
            ["reject", "apr_1", "--comment", "no"],
            {"decision": "reject", "comment": "no"},
        ),
    ],
)
def test_an_answer_is_sent(
    serve: ExitStack, tmp_path: Path, arguments: list[str], body: dict[str, Any]
) -> None:
    decided = Reply({**PENDING, "status": "approved"})
    api = serve.enter_context(serving({"POST /approvals/apr_1": [decided]}))

    done = nexus(api, tmp_path, "approvals", *arguments)

    assert done.returncode == 0, done.stderr
    assert api.bodies == [body]
    assert done.stderr == "nexus: apr_1 is approved\n"


def test_an_answer_that_comes_too_late_says_so(serve: ExitStack, tmp_path: Path) -> None:
    problem = {"status": 409, "detail": "this approval expired", "code": "approval_expired"}
    late = Reply(problem, 409, "application/problem+json")
    api = serve.enter_context(serving({"POST /approvals/apr_1": [late]}))

    done = nexus(api, tmp_path, "approvals", "approve", "apr_1")

    assert (done.returncode, done.stderr) == (1, "nexus: this approval expired\n")
