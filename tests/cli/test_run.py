"""`nexus run` and its neighbours as processes, against recorded answers."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.api_double import ApiDouble, Reply, serving, sse
from tests.cli.processes import until_now
from tests.cli.recorded import ENDING, PLAN, PROJECT_ID, RUNNING, event, progress, project

HERE = f"/projects/{PROJECT_ID}"
MARKDOWN = "text/markdown"
ESTIMATE = {"calls": 7, "input_tokens": 20_000, "output_tokens": 1_000, "cost_usd": "0.0123"}
SUCCEEDING = [*RUNNING, event(14, "task.succeeded", 9, "talks"), event(15, "project.succeeded", 9)]
FAILURE = {"code": "task_failed", "message": "1 of 3 tasks failed", "hint": "see talks"}


def answers() -> dict[str, list[Reply]]:
    """The answers of a run that succeeds."""
    return {
        "POST /projects": [Reply(project("planned"), 201)],
        f"GET {HERE}/progress": [Reply(progress("planned", 2))],
        f"GET {HERE}/plan": [Reply({"version": 1, "plan": PLAN, "estimate": ESTIMATE})],
        f"POST {HERE}/execute": [Reply({"project_id": PROJECT_ID, "status": "running"}, 202)],
        f"GET {HERE}/events": [sse(SUCCEEDING)],
        f"GET {HERE}": [Reply(project("succeeded"))],
        f"GET {HERE}/deliverable": [Reply("Penguins sell.\n", media_type=MARKDOWN)],
    }


@pytest.fixture
def serve() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def environment(api: ApiDouble, folder: Path) -> dict[str, str]:
    chosen = {"NEXUS_URL": api.url, "NEXUS_API_KEY": "k", "NEXUS_DATA_DIR": str(folder)}
    return {**os.environ, **chosen}


def nexus(
    api: ApiDouble, folder: Path, *arguments: str, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; `given` is its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "nexus", *arguments],
        capture_output=True,
        text=True,
        check=False,
        input=given,
        env=environment(api, folder),
    )


def test_a_run_ends_with_its_deliverable(serve: ExitStack, tmp_path: Path) -> None:
    api = serve.enter_context(serving(answers()))
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(PLAN))
    limits = ("--max-cost-usd", "2.50", "--max-calls", "20")
    done = nexus(api, tmp_path, "run", "Study the market", "--plan", str(plan), *limits)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "# Deliverable: Penguin market\n\nPenguins sell.\n"
    assert "about 7 model calls, 21,000 tokens, $0.0123" in done.stderr
    saved = tmp_path / "deliverables" / f"{PROJECT_ID}.md"
    assert saved.read_text() == "Penguins sell.\n"
    assert done.stderr.splitlines()[-1] == f"nexus: saved to {saved}"
    assert "task market succeeded in 3.0 s" in done.stderr
    budget = {"max_cost_usd": "2.50", "max_calls": 20}
    assert api.bodies[0] == {"goal": "Study the market", "plan": PLAN, "budget": budget}


def test_a_failed_run_hands_over_what_there_is_and_says_why(
    serve: ExitStack, tmp_path: Path
) -> None:
    api = serve.enter_context(
        serving(
            answers()
            | {
                f"GET {HERE}/events": [sse(RUNNING + ENDING)],
                f"GET {HERE}": [Reply(project("failed", error=FAILURE))],
            }
        )
    )
    output = tmp_path / "out" / "report.md"
    done = nexus(api, tmp_path, "run", "Study the market", "--output", str(output))
    assert done.returncode == 1
    assert output.read_text() == "Penguins sell.\n"
    assert done.stderr.splitlines()[-2:] == [
        "nexus: the project failed: 1 of 3 tasks failed",
        "  see talks",
    ]


def test_documents_are_put_at_hand_once_they_are_ready(serve: ExitStack, tmp_path: Path) -> None:
    document = {"id": "doc_1", "title": "a.csv", "status": "processing", "passages": None}
    api = serve.enter_context(
        serving(
            answers()
            | {
                "POST /documents": [Reply(document, 202)],
                "GET /documents/doc_1": [Reply(document), Reply(document | {"status": "ready"})],
            }
        )
    )
    file = tmp_path / "a.csv"
    file.write_text("a,b\n")
    done = nexus(api, tmp_path, "run", "Study", "--document", str(file))
    assert done.returncode == 0, done.stderr
    assert api.bodies[0] == {"goal": "Study", "document_ids": ["doc_1"]}


def test_documents_of_one_name_are_told_apart(serve: ExitStack, tmp_path: Path) -> None:
    document = {"id": "doc_1", "title": "a.csv", "status": "ready", "passages": 1}
    api = serve.enter_context(serving(answers() | {"POST /documents": [Reply(document, 202)]}))
    files = [tmp_path / name / "report.md" for name in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text(file.parent.name)
    given = [part for file in files for part in ("--document", str(file))]
    assert nexus(api, tmp_path, "run", "Study", *given).returncode == 0
    for file, form in zip(files, api.forms, strict=True):
        assert b'name="source"\r\n\r\n%s\r\n' % str(file).encode() in form


def test_a_document_that_cannot_be_read_ends_the_run(serve: ExitStack, tmp_path: Path) -> None:
    error = {"code": "unreadable", "message": "the PDF is encrypted", "hint": "save it without"}
    document = {"id": "doc_1", "title": "a.pdf", "status": "failed", "error": error}
    api = serve.enter_context(serving(answers() | {"POST /documents": [Reply(document, 202)]}))
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF")
    done = nexus(api, tmp_path, "run", "Study", "--document", str(file))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "nexus: the document a.pdf could not be read: the PDF is encrypted",
        "  save it without",
    ]
    assert "POST /projects" not in api.asked


def test_a_file_that_is_not_there_is_said_before_anything_is_sent(
    serve: ExitStack, tmp_path: Path
) -> None:
    api = serve.enter_context(serving(answers()))
    done = nexus(api, tmp_path, "run", "Study", "--document", "nowhere.csv")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "nexus: nowhere.csv is not a file"
    assert api.asked == []


def test_detached_prints_the_id_and_leaves(serve: ExitStack, tmp_path: Path) -> None:
    api = serve.enter_context(serving(answers()))
    done = nexus(api, tmp_path, "run", "Study", "--detach")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{PROJECT_ID}\n"
    assert api.bodies == [{"goal": "Study", "auto_execute": True}]


def at_a_terminal(api: ApiDouble, folder: Path, types: str) -> tuple[int, str]:
    """Run at a pseudo-terminal, type something, return the exit code and what was on screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "run", "Study the market"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(api, folder) | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    os.close(theirs)
    os.write(ours, types.encode())
    seen = bytearray()
    while chunk := _read(ours):
        seen += chunk
    os.close(ours)
    return process.wait(20), seen.decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other side has closed.
        return b""


def test_at_a_terminal_no_means_no(serve: ExitStack, tmp_path: Path) -> None:
    api = serve.enter_context(serving(answers()))
    code, screen = at_a_terminal(api, tmp_path, "n\n")
    assert code == 1
    assert "Run this plan?" in screen
    assert f"nexus projects execute {PROJECT_ID}" in screen
    assert f"POST {HERE}/execute" not in api.asked


def test_at_a_terminal_yes_shows_the_tree_and_the_deliverable(
    serve: ExitStack, tmp_path: Path
) -> None:
    api = serve.enter_context(serving(answers()))
    code, screen = at_a_terminal(api, tmp_path, "y\n")
    assert code == 0, screen
    assert "Market figures" in screen
    assert "Penguins sell." in screen


def test_ctrl_c_leaves_a_project_elsewhere_running(serve: ExitStack, tmp_path: Path) -> None:
    unfinished = answers() | {f"GET {HERE}/events": [sse(RUNNING)]}
    api = serve.enter_context(serving(unfinished))
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "run", "Study", "--yes"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(api, tmp_path),
    )
    until_now(lambda: f"GET {HERE}/events" in api.asked)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert process.returncode == 130
    assert words.splitlines()[-1] == (
        f"nexus: it goes on without you; watch it with: nexus projects watch {PROJECT_ID}"
    )
    assert f"POST {HERE}/cancel" not in api.asked


def test_a_listing_is_a_table_or_json(serve: ExitStack, tmp_path: Path) -> None:
    page = Reply({"items": [project("running")], "next_cursor": None})
    api = serve.enter_context(serving({"GET /projects": [page]}))
    table = nexus(api, tmp_path, "projects", "list")
    assert "prj_1" in table.stdout
    assert " d  $0.0010  Penguin market" in table.stdout
    found = json.loads(nexus(api, tmp_path, "projects", "list", "--json").stdout)
    assert found["items"][0]["id"] == PROJECT_ID


def test_a_new_key_alone_goes_to_standard_output(serve: ExitStack, tmp_path: Path) -> None:
    made = {"id": "key_1", "workspace": "team", "scopes": ["read"], "key": "nxs_secret"}
    api = serve.enter_context(serving({"POST /keys": [Reply(made, 201)]}))
    done = nexus(api, tmp_path, "keys", "create", "--workspace", "team", "--name", "ci")
    assert done.stdout == "nxs_secret\n"
    assert api.bodies == [{"name": "ci", "workspace": "team"}]


def test_without_an_installation_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nexus", "projects", "list", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"nexus: no Nexus is running over {tmp_path}",
        "  start one with `nexus up`, or name one with --url or NEXUS_URL and NEXUS_API_KEY",
    ]
