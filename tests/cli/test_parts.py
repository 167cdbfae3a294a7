"""A task whose agent has delegated, in the tree and in lines."""

from typing import Any

from nexus.cli.show.board import Board
from nexus.cli.show.lines import line_for
from tests.cli.recorded import PROJECT_ID, event, progress

PARTS = [
    {"subtask_id": "sub_2", "agent": "data", "title": "north"},
    {"subtask_id": "sub_3", "agent": "data", "title": "south"},
]


def history() -> list[dict[str, Any]]:
    told: list[tuple[str, str | None, dict[str, Any]]] = [
        ("task.started", "sub_1", {"agent": "research"}),
        ("subtask.delegated", "sub_1", {"parts": PARTS}),
        ("subtask.queued", "sub_2", {"kind": "delegated"}),
        ("subtask.queued", "sub_3", {"kind": "delegated"}),
        ("subtask.waiting", "sub_1", {"reason": "2 delegated parts"}),
        ("task.waiting", "sub_1", {"reason": "2 delegated parts"}),
        ("subtask.started", "sub_2", {"kind": "delegated", "worker": "wrk_1"}),
        ("subtask.retrying", "sub_2", {"error": {"message": "the model timed out"}, "run_at": 1}),
        ("subtask.failed", "sub_2", {"error": {"message": "no such page"}}),
        ("subtask.succeeded", "sub_3", {}),
        ("subtask.queued", "sub_1", {"kind": "work"}),
        ("task.started", "sub_1", {"agent": "research"}),
    ]
    return [
        {**event(at, kind, 1, "market"), "subtask_id": subtask, "data": data}
        for at, (kind, subtask, data) in enumerate(told, 3)
    ]


def test_a_task_waits_for_its_parts_whatever_they_do() -> None:
    board = Board(PROJECT_ID, "Penguin market")
    board.load(progress("running", 2))
    lines, shown = [], []
    for one in history():
        board.apply(one)
        lines.append(line_for(one, board))
        task = board.task("tsk_market")
        assert task is not None
        shown.append((task.status, task.note))

    assert [one for one in lines if one] == [
        "task market started (research)",
        "task market delegates north, south",
        "task market waiting: 2 delegated parts",
        "task market: part north will be tried again: the model timed out",
        "task market: part north failed: no such page",
        "task market: part south succeeded",
        "task market started (research)",
    ]
    assert shown[6] == ("waiting", "2 delegated parts")
    assert shown[8] == ("waiting", "1 of 2 delegated parts over")
    assert shown[9] == ("waiting", "2 of 2 delegated parts over")
    assert shown[-1] == ("running", "")
