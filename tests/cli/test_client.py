"""What goes wrong between the command line and the API, in words."""

import socket

import pytest
from pytest import CaptureFixture

from nexus.cli.api.client import ApiClient
from nexus.cli.screen import show_error
from nexus.errors import Conflict, InvalidInput, NexusError, ServiceMissing, Unauthorized
from tests.cli.api_double import Reply, serving, sse
from tests.cli.recorded import PROJECT_ID, RUNNING

PROBLEM = "application/problem+json"


def words(wrong: NexusError, capsys: CaptureFixture[str]) -> list[str]:
    show_error(wrong)
    return capsys.readouterr().err.splitlines()


def test_a_problem_becomes_what_happened_and_what_to_do(capsys: CaptureFixture[str]) -> None:
    body = {
        "title": "Conflict",
        "status": 409,
        "detail": "cannot execute a project that is running",
        "code": "illegal_transition",
        "hint": "wait until it has ended",
    }
    with (
        serving({"POST /projects/p/execute": [Reply(body, 409, PROBLEM)]}) as api,
        ApiClient(api.url, "nxs_key") as client,
        pytest.raises(Conflict) as caught,
    ):
        client.post("/projects/p/execute")
    assert caught.value.reason == "illegal_transition"
    assert words(caught.value, capsys) == [
        "nexus: cannot execute a project that is running",
        "  wait until it has ended",
    ]
    assert api.headers[0]["Authorization"] == "Bearer nxs_key"
    assert len(api.headers[0]["Idempotency-Key"]) == 32


def test_wrong_fields_are_named(capsys: CaptureFixture[str]) -> None:
    body = {
        "detail": "the plan cannot run",
        "errors": [{"place": "plan.phases[0].tasks[1].agent", "message": "unknown agent 'x'"}],
    }
    with (
        serving({"POST /projects": [Reply(body, 422, PROBLEM)]}) as api,
        ApiClient(api.url, "k") as client,
        pytest.raises(InvalidInput) as caught,
    ):
        client.post("/projects", {"goal": "g"})
    assert words(caught.value, capsys) == [
        "nexus: the plan cannot run",
        "  plan.phases[0].tasks[1].agent: unknown agent 'x'",
    ]


def test_a_refused_key_says_which_variable(capsys: CaptureFixture[str]) -> None:
    with (
        serving({"GET /projects": [Reply({"detail": "this key is not valid"}, 401)]}) as api,
        ApiClient(api.url, "k") as client,
        pytest.raises(Unauthorized) as caught,
    ):
        client.items("/projects")
    assert words(caught.value, capsys) == [
        "nexus: this key is not valid",
        "  give a key that is valid there: NEXUS_API_KEY",
    ]


def test_nobody_at_the_address(capsys: CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with ApiClient(f"http://127.0.0.1:{port}", "k") as client, pytest.raises(ServiceMissing) as got:
        client.get("/projects")
    assert words(got.value, capsys) == [
        f"nexus: nothing answers at http://127.0.0.1:{port}",
        "  start Nexus with `nexus up`, or check NEXUS_URL or --url",
    ]


def test_something_else_at_the_address() -> None:
    page = Reply("<html>hello</html>", media_type="text/html")
    with (
        serving({"GET /projects": [page]}) as api,
        ApiClient(api.url, "k") as client,
        pytest.raises(ServiceMissing, match="is not Nexus"),
    ):
        client.get("/projects")


def test_a_list_is_read_to_its_end() -> None:
    pages = [
        Reply({"items": [{"id": 1}, {"id": 2}], "next_cursor": "c"}),
        Reply({"items": [{"id": 3}], "next_cursor": None}),
    ]
    with serving({"GET /documents": pages}) as api, ApiClient(api.url, "k") as client:
        assert [each["id"] for each in client.items("/documents")] == [1, 2, 3]


def test_events_come_once_each_and_without_what_is_not_history() -> None:
    history = sse(RUNNING)
    history = Reply(
        "event: model.delta\ndata: {}\n\n" + history.body, media_type=history.media_type
    )
    with (
        serving({f"GET /projects/{PROJECT_ID}/events": [history]}) as api,
        ApiClient(api.url, "k") as client,
    ):
        seqs = [event["seq"] for event in client.events(PROJECT_ID, after=5)]
    assert seqs == list(range(6, 14))


def test_an_error_without_a_hint_is_one_line(capsys: CaptureFixture[str]) -> None:
    assert words(InvalidInput("the goal is blank"), capsys) == ["nexus: the goal is blank"]
