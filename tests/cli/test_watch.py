"""`nexus projects watch` as a process, against recorded events; and which commands write JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from nexus.cli.app import app
from tests.cli.api_double import Reply, serving, sse
from tests.cli.recorded import ENDING, PROJECT_ID, RUNNING, progress, project
from tests.cli.test_run import FAILURE, HERE, SUCCEEDING, nexus

ACTING = {
    "approve",
    "cancel",
    "execute",
    "pause",
    "reject",
    "remove",
    "resume",
    "retry",
    "revoke",
    "run",
    "serve",
    "services",
    "up",
    "upgrade",
    "worker",
}
"""Commands that do something and have nothing to read."""


def answers(events: list[dict[str, Any]], status: str) -> dict[str, list[Reply]]:
    """The answers of a project whose event stream breaks off twice, once before it had anything."""
    last = events[-1]["seq"]
    return {
        f"GET {HERE}/events": [sse(events[:3]), sse([]), sse(events), sse([])],
        f"GET {HERE}/progress": [Reply(progress("running", 4)), Reply(progress(status, last))],
        f"GET {HERE}": [Reply(project(status, error=FAILURE if status == "failed" else None))],
    }


def test_as_json_every_event_is_a_line_from_the_first_to_the_last(tmp_path: Path) -> None:
    with serving(answers(SUCCEEDING, "succeeded")) as api:
        done = nexus(api, tmp_path, "projects", "watch", PROJECT_ID, "--json")

    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == SUCCEEDING
    assert done.stderr.startswith("nexus: succeeded; ")


def test_as_json_a_project_that_failed_is_told_beside_its_events(tmp_path: Path) -> None:
    with serving(answers(RUNNING + ENDING, "failed")) as api:
        done = nexus(api, tmp_path, "projects", "watch", PROJECT_ID, "--json")

    assert done.returncode == 1
    assert [json.loads(line) for line in done.stdout.splitlines()] == RUNNING + ENDING
    assert "1 of 3 tasks failed" in done.stderr


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("cancelled", 1)])
def test_for_people_a_project_that_has_ended_is_said_to_have(
    tmp_path: Path, status: str, code: int
) -> None:
    known = answers(SUCCEEDING, status) | {f"GET {HERE}/progress": [Reply(progress(status, 15))]}
    with serving(known) as api:
        done = nexus(api, tmp_path, "projects", "watch", PROJECT_ID)

    assert (done.returncode, done.stdout) == (code, "")
    assert status in done.stderr


def test_every_command_that_reads_takes_json() -> None:
    found: dict[str, bool] = {}
    waiting: list[tuple[str, Any]] = [("", get_command(app))]
    while waiting:
        name, command = waiting.pop()
        parts = getattr(command, "commands", None)
        if parts is None:
            found[name] = any("--json" in each.opts for each in command.params)
        else:
            waiting += [(f"{name} {part}".strip(), each) for part, each in parts.items()]
    without = {name for name, takes in found.items() if not takes}
    assert {name for name in without if name.split()[-1] not in ACTING} == set()
