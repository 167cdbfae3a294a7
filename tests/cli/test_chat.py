"""`nexus chat` as a process, against recorded answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.api_double import Reply, serving
from tests.cli.test_run import nexus

CHAT = "POST /agents/content/chat"
ENDED: dict[str, Any] = {
    "conversation_id": "cnv_1",
    "status": "succeeded",
    "answer": "Hello, Ada.\n",
    "error": None,
}
FAILED = {**ENDED, "status": "failed", "answer": None}
FAILED["error"] = {"code": "x", "message": "the model is away", "hint": "start it"}


def delta(call: str, offset: int, text: str) -> tuple[str, dict[str, Any]]:
    """Words of the model while it writes."""
    return "model.delta", {"attempt": 1, "data": {"call": call, "offset": offset, "text": text}}


def stream(ending: str, exchange: dict[str, Any], *pieces: tuple[str, int, str]) -> Reply:
    """A stream that tells of a tool's call and ends with `exchange`."""
    about = {"conversation_id": "cnv_1", "left_out": 2}
    told = [
        ("message.started", about),
        ("tool.called", {"name": "read_file", "outcome": "ok"}),
        *(delta(*one) for one in pieces),
        (ending, exchange),
    ]
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
    return Reply(": hello\n\n" + text, media_type="text/event-stream")


def test_one_message_gets_one_answer(tmp_path: Path) -> None:
    with serving({CHAT: [stream("message.answered", ENDED)]}) as api:
        said = nexus(api, tmp_path, "chat", "content", "Hi", "--conversation", "cnv_1")
        as_json = nexus(api, tmp_path, "chat", "content", "Hi", "--model", "offline", "--json")

    assert (said.returncode, said.stdout) == (0, "Hello, Ada.\n")
    assert "content called read_file: ok" in said.stderr
    assert "2 older messages are not shown" in said.stderr
    assert json.loads(as_json.stdout) == ENDED
    assert api.bodies == [
        {"conversation_id": "cnv_1", "message": "Hi"},
        {"model": "offline", "message": "Hi"},
    ]


def test_lines_go_on_in_one_conversation(tmp_path: Path) -> None:
    with serving({CHAT: [stream("message.answered", ENDED)]}) as api:
        said = nexus(api, tmp_path, "chat", "content", given="Hi\n\nAnd?\n")

    assert (said.returncode, said.stdout) == (0, "Hello, Ada.\nHello, Ada.\n")
    assert api.bodies == [{"message": "Hi"}, {"conversation_id": "cnv_1", "message": "And?"}]
    assert "nexus chat content --conversation cnv_1" in said.stderr


def test_a_line_that_breaks_is_taken_up_again(tmp_path: Path) -> None:
    broken = Reply(
        'event: message.started\ndata: {"left_out": 0}\n\n', media_type="text/event-stream"
    )
    with serving({CHAT: [broken, stream("message.answered", ENDED)]}) as api:
        said = nexus(api, tmp_path, "chat", "content", "Hi")

    assert said.stdout == "Hello, Ada.\n"
    keys = [headers["Idempotency-Key"] for headers in api.headers]
    assert (len(keys), len(set(keys))) == (2, 1)


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_no_answer_is_said_and_ends_with_one(tmp_path: Path, arguments: list[str]) -> None:
    with serving({CHAT: [stream("message.failed", FAILED)]}) as api:
        said = nexus(api, tmp_path, "chat", "content", "Hi", *arguments)
        unknown = nexus(api, tmp_path, "chat", "nobody", "Hi")

    assert said.returncode == 1
    assert ("the model is away" in said.stderr) or json.loads(said.stdout)["error"]
    assert (unknown.returncode, unknown.stdout) == (1, "")


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        ([("a", 0, "Hello, "), ("a", 7, "Ada.")], "Hello, Ada.\n"),
        ([("a", 0, "Hello, ")], "Hello, Ada.\n"),
        ([("a", 0, "He"), ("a", 7, "Ada.")], "Hello, Ada.\n"),
        ([("a", 0, "I look."), ("b", 0, "Hello, ")], "I look.\nHello, Ada.\n"),
        ([("a", 0, "Bye"), ("a", 0, "Hello, Ada.")], "Bye\nHello, Ada.\n"),
        ([("a", 0, "Something else")], "Something else\nHello, Ada.\n"),
    ],
)
def test_words_come_once_and_the_answer_whole(
    tmp_path: Path, pieces: list[tuple[str, int, str]], written: str
) -> None:
    with serving({CHAT: [stream("message.answered", ENDED, *pieces)]}) as api:
        said = nexus(api, tmp_path, "chat", "content", "Hi")
        as_json = nexus(api, tmp_path, "chat", "content", "Hi", "--json")

    assert said.stdout == written
    assert json.loads(as_json.stdout) == ENDED
