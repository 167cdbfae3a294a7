"""`nexus run` when its project waits: for a person who answers, or for nobody but a larger budget."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.api_double import Reply, serving, sse
from tests.cli.recorded import PROJECT_ID, RUNNING, event, progress, project
from tests.cli.test_run import HERE, answers, nexus


@pytest.fixture
def serve() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_run_that_has_used_up_its_budget_hands_over_what_there_is(
    serve: ExitStack, tmp_path: Path
) -> None:
    waiting = event(14, "project.waiting", 9, reason="no budget")
    nobody = Reply({"items": [], "next_cursor": None})
    api = serve.enter_context(
        serving(
            answers()
            | {
                f"GET {HERE}/events": [sse([*RUNNING, waiting])],
                "GET /approvals": [nobody],
                f"GET {HERE}": [Reply(project("waiting"))],
            }
        )
    )
    done = nexus(api, tmp_path, "run", "Study the market", "--max-calls", "2")
    assert done.returncode == 1
    assert "Penguins sell." in done.stdout
    assert done.stderr.splitlines()[-2:] == [
        "nexus: the project has used up its budget and waits; this is what there is",
        f"  go on with: nexus projects budget {PROJECT_ID} and a higher limit, then "
        f"nexus projects resume {PROJECT_ID}",
    ]


def test_a_run_that_asks_a_person_waits_for_the_answer(serve: ExitStack, tmp_path: Path) -> None:
    waiting = event(14, "project.waiting", 9, reason="at rest")
    over = [event(15, "task.succeeded", 9, "talks"), event(16, "project.succeeded", 9)]
    asked = Reply({"items": [{"id": "apr_1"}], "next_cursor": None})
    api = serve.enter_context(
        serving(
            answers()
            | {
                f"GET {HERE}/events": [sse([*RUNNING, waiting]), sse(over)],
                f"GET {HERE}/progress": [
                    Reply(progress("planned", 2)),
                    Reply(progress("waiting", 14)),
                ],
                "GET /approvals": [asked],
            }
        )
    )
    done = nexus(api, tmp_path, "run", "Study the market")
    assert done.returncode == 0, done.stderr
    assert "nexus: it waits for your answer; see: nexus approvals" in done.stderr
