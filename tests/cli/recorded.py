"""A recorded run: a plan of three tasks, of which one fails and one is skipped."""

from typing import Any

PROJECT_ID = "prj_1"
USAGE = {"requests": 1, "input_tokens": 900, "output_tokens": 100, "cost_usd": "0.0010"}
PLAN = {
    "execution": "sequential",
    "phases": [
        {
            "key": "research",
            "title": "Research",
            "execution": "parallel",
            "tasks": [
                {"key": "market", "title": "Market figures", "agent": "research"},
                {"key": "talks", "title": "Interviews", "agent": "research"},
            ],
        },
        {
            "key": "writing",
            "title": "Writing",
            "tasks": [
                {
                    "key": "report",
                    "title": "Report",
                    "agent": "content",
                    "depends_on": ["market", "talks"],
                }
            ],
        },
    ],
}


def at(second: int) -> str:
    """A time of the recorded minute."""
    return f"2026-01-01T12:00:{second:02d}.000000Z"


def project(status: str, **more: Any) -> dict[str, Any]:
    """The project's document in a state."""
    return {
        "id": PROJECT_ID,
        "name": "Penguin market",
        "goal": "Study the market",
        "status": status,
        "plan_version": 1,
        "usage": USAGE,
        "error": None,
        "created_at": at(0),
        "started_at": at(1),
        "finished_at": None,
        **more,
    }


def progress(status: str, seq: int) -> dict[str, Any]:
    """A snapshot with every task still pending."""
    phases = [
        {
            "key": phase["key"],
            "title": phase["title"],
            "status": "pending",
            "percent": 0,
            "tasks": [_task(task) for task in phase["tasks"]],
        }
        for phase in PLAN["phases"]
        if isinstance(phase, dict)
    ]
    return {
        "project_id": PROJECT_ID,
        "status": status,
        "percent": 0,
        "phases": phases,
        "usage": USAGE,
        "last_event_seq": seq,
        "updated_at": at(0),
    }


def _task(task: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"tsk_{task['key']}",
        "key": task["key"],
        "title": task["title"],
        "agent": task["agent"],
        "status": "pending",
        "attempt": 0,
        "started_at": None,
        "finished_at": None,
    }


def event(seq: int, kind: str, second: int, task: str | None = None, **data: Any) -> dict[str, Any]:
    """One line of the history."""
    return {
        "seq": seq,
        "type": kind,
        "at": at(second),
        "project_id": PROJECT_ID,
        "task_id": f"tsk_{task}" if task else None,
        "subtask_id": None,
        "attempt": data.pop("attempt", None),
        "data": {"key": task, **data} if kind.startswith("task.") else data,
    }


RUNNING = [
    event(3, "project.started", 1),
    event(4, "subtask.queued", 1, "market"),
    event(5, "subtask.queued", 1, "talks"),
    event(6, "task.started", 1, "market", agent="research"),
    event(7, "subtask.started", 1, "market", attempt=1),
    event(8, "model.called", 3, "market", input_tokens=500, output_tokens=500, cost_usd="0.25"),
    event(9, "task.succeeded", 4, "market"),
    event(10, "task.started", 2, "talks", agent="research"),
    event(11, "subtask.started", 2, "talks", attempt=1),
    event(12, "subtask.retrying", 5, "talks", error={"message": "the model timed out"}),
    event(13, "subtask.started", 6, "talks", attempt=2),
]
ENDING = [
    event(14, "task.failed", 9, "talks", error={"message": "no such page"}),
    event(15, "task.skipped", 9, "report", because_of="talks"),
    event(16, "project.failed", 9, error={"message": "1 of 3 tasks failed"}),
]
