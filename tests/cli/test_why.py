"""`nexus projects why` as a process, against a recorded diagnosis."""

import json
from pathlib import Path
from typing import Any

from tests.cli.api_double import Reply, serving
from tests.cli.test_run import nexus

NOTHING: dict[str, Any] = {
    "tasks": [],
    "more": 0,
    "at": None,
    "approval_id": None,
    "worker": None,
}
DIAGNOSIS: dict[str, Any] = {
    "project_id": "prj_1",
    "status": "running",
    "text": "nothing of it runs or is queued",
    "at": "2026-01-01T12:00:00.000000Z",
    "counts": {"pending": 1_001, "queued": 0, "running": 0, "waiting": 1},
    "workers": {"live": 1, "slots": 100, "busy": 0, "last_heartbeat_at": None},
    "redis": "missing",
    "chroma": "ok",
    "documents_processing": 2,
    "items": [
        {
            "key": "letter",
            "title": "Letter",
            "status": "waiting",
            "reasons": [{**NOTHING, "text": "waits for a person: Again?", "approval_id": "apr_1"}],
        },
        {
            "key": "report",
            "title": "Report",
            "status": "pending",
            "reasons": [{**NOTHING, "text": "waits for letter"}, {**NOTHING, "text": "and more"}],
        },
    ],
    "next_cursor": "c",
}


def test_why_says_what_each_task_waits_for(tmp_path: Path) -> None:
    with serving({"GET /projects/prj_1/diagnosis": [Reply(DIAGNOSIS)]}) as api:
        done = nexus(api, tmp_path, "projects", "why", "prj_1")
        as_json = nexus(api, tmp_path, "projects", "why", "prj_1", "--json")

    assert done.stdout.splitlines() == [
        "prj_1: nothing of it runs or is queued",
        "1 worker alive, 0 of 100 slots taken",
        "Redis is missing: workers ask the database for work, more slowly",
        "2 documents at hand not ready yet",
        "◔ letter: waits for a person: Again?",
        "    answer with: nexus approvals show apr_1",
        "○ report: waits for letter",
        "    and more",
        "and 1,000 more tasks",
    ]
    assert json.loads(as_json.stdout) == DIAGNOSIS
