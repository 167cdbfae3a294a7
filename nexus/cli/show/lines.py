"""A run as plain lines, one for each event worth reading: for logs, pipes and other non-terminals."""

from datetime import datetime
from typing import Final

from nexus.cli.show.board import ENDED, Board, Document, words_of, words_of_review
from nexus.cli.show.wording import counted, duration, one_line, spent

WIDTH: Final = 300
TASK_ACTS: Final = frozenset({"started", "succeeded", "failed", "cancelled", "skipped", "waiting"})


def line_for(event: Document, board: Board) -> str | None:
    """Say an event in one line after it was folded into `board`; None when it is not worth one."""
    noun, _, act = event["type"].partition(".")
    if noun == "project":
        return _project_line(act, event, board)
    if noun == "task" and act in TASK_ACTS:
        return _task_line(act, event, board)
    if event["type"] == "task.reviewed":
        return one_line(f"{_name(event, board)}: {words_of_review(event['data'])}", WIDTH)
    if event["type"] == "subtask.delegated":
        titles = ", ".join(one["title"] for one in event["data"]["parts"])
        return one_line(f"{_name(event, board)} delegates {titles}", WIDTH)
    if noun == "subtask" and act in ENDED:
        return _part_line(act, event, board)
    if event["type"] == "subtask.retrying":
        words = words_of(event["data"].get("error"))
        return one_line(f"{_name(event, board)} will be tried again: {words}", WIDTH)
    if event["type"] == "approval.requested":
        data = event["data"]
        answer = f"(nexus approvals approve|reject {data.get('approval_id')})"
        return one_line(f"a question for you: {data.get('question')} {answer}", WIDTH)
    return None


def _part_line(act: str, event: Document, board: Board) -> str | None:
    """Say how a delegated part ended; of other subtasks their task says it."""
    task = board.task(event["task_id"])
    if task is None or event["subtask_id"] not in task.parts:
        return None
    words = words_of(event["data"].get("error"))
    tail = f": {words}" if words else ""
    return one_line(f"{_name(event, board)} {act}{tail}", WIDTH)


def _project_line(act: str, event: Document, board: Board) -> str:
    words = words_of(event["data"].get("error") or event["data"].get("reason"))
    if act == "planned":
        words = counted(event["data"].get("tasks") or 0, "task")
    if act in {"succeeded", "failed", "cancelled"}:
        spend = f"{counted(board.requests, 'model call')}, {spent(board.cost_usd, board.unpriced)}"
        words = f"{words}; {spend}" if words else spend
    return one_line(f"project {act}{': ' + words if words else ''}", WIDTH)


def _task_line(act: str, event: Document, board: Board) -> str:
    task = board.task(event["task_id"])
    tail = ""
    if task is not None and act == "succeeded":
        seconds = task.seconds(task.finished_at or datetime.now().astimezone())
        tail = f" in {duration(seconds)}" if seconds is not None else ""
    elif task is not None and act == "started":
        tail = f" ({task.agent})"
    elif task is not None and task.note:
        tail = f": {task.note}"
    return one_line(f"{_name(event, board)} {act}{tail}", WIDTH)


def _name(event: Document, board: Board) -> str:
    if event["task_id"] is None:
        return "planning"
    task = board.task(event["task_id"])
    if task is not None:
        part = task.parts.get(event["subtask_id"] or "")
        return f"task {task.key}: part {part.title}" if part else f"task {task.key}"
    return f"task {event['data'].get('key', event['task_id'])}"
