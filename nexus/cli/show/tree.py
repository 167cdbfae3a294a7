"""The tree of a run: phases, tasks, states, durations and spend; and the tree of a plan.

Draws what a Board or a plan document holds; a large run is shortened to the lines there are.
"""

from collections import Counter
from datetime import datetime
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from nexus.cli.show.board import TASK_ENDED, Board, PhaseLines, TaskLine
from nexus.cli.show.wording import MARKS, counted, duration, one_line, spent

FEWEST_LINES: Final = 3
"""What a phase always gets, however many phases there are."""
FEWEST_COLUMNS: Final = 24
"""What a title always gets, however narrow the terminal."""
INDENT: Final = 11
"""Columns before a task's title, and one to spare."""
NOTE_WIDTH: Final = 100
MOST_NAMED: Final = 3
URGENCY: Final = {"running": 0, "waiting": 1, "failed": 2, "queued": 3, "pending": 4}


def run_tree(board: Board, now: datetime, lines: int, width: int) -> Tree:
    """Draw a run in about `lines` lines of `width` columns; titles are cut so that a task takes one."""
    name = one_line(board.name, max(FEWEST_COLUMNS, width - len(board.status) - 5))
    head = Text.assemble(_mark(board.status), " ", (name, "bold"), f" · {board.status}")
    tree = Tree(head, guide_style="dim", highlight=False)
    open_phases = sum(1 for phase in board.phases if _is_open(phase)) or 1
    spare = lines - len(board.phases) - 2
    fits = sum(len(phase.tasks) for phase in board.phases) <= spare
    each = max(FEWEST_LINES, spare // open_phases)
    for phase in board.phases:
        branch = tree.add(_phase_head(phase))
        shown = phase.tasks if fits else _most_urgent(phase, each)
        for task in shown:
            branch.add(_task_text(task, now, width))
        if len(shown) < len(phase.tasks):
            branch.add(Text(_rest(phase, shown), "dim"))
    tree.add(Text(_sums(board, now), "dim"))
    return tree


def plan_tree(plan: dict[str, Any], title: str) -> Tree:
    """Draw a plan document: who does what, after what."""
    tree = Tree(Text(title, "bold"), guide_style="dim", highlight=False)
    for phase in plan["phases"]:
        how = f" · {phase.get('execution', 'parallel')}"
        branch = tree.add(Text.assemble(phase["title"], (how, "dim")))
        for task in phase["tasks"]:
            after = _after(task.get("depends_on") or [])
            tail = f" · {task['agent']}" + (f" · after {after}" if after else "")
            key = f"{task['key']}: "
            branch.add(Text.assemble((key, "dim"), task["title"], (tail, "dim")))
    return tree


def _after(keys: list[str]) -> str:
    return ", ".join(keys) if len(keys) <= MOST_NAMED else f"{len(keys):,} others"


def _is_open(phase: PhaseLines) -> bool:
    return any(task.status not in TASK_ENDED for task in phase.tasks)


def _most_urgent(phase: PhaseLines, most: int) -> list[TaskLine]:
    """Choose what to show of a long phase, in plan order; a finished one folds away."""
    if not _is_open(phase):
        return [task for task in phase.tasks if task.status == "failed"][:FEWEST_LINES]
    ranked = sorted(phase.tasks, key=lambda task: URGENCY.get(task.status, 5))[:most]
    chosen = {task.key for task in ranked}
    return [task for task in phase.tasks if task.key in chosen]


def _rest(phase: PhaseLines, shown: list[TaskLine]) -> str:
    there = {task.key for task in shown}
    counts = Counter(task.status for task in phase.tasks if task.key not in there)
    return "… " + ", ".join(f"{number:,} {status}" for status, number in counts.most_common())


def _phase_head(phase: PhaseLines) -> Text:
    done = sum(1 for task in phase.tasks if task.status == "succeeded")
    return Text.assemble(phase.title, (f" · {done:,}/{len(phase.tasks):,}", "dim"))


def _task_text(task: TaskLine, now: datetime, width: int) -> Text:
    seconds = task.seconds(now)
    parts = [task.agent]
    if seconds is not None and task.status != "pending":
        parts.append(duration(seconds))
    if task.attempt > 1:
        parts.append(f"attempt {task.attempt}")
    if task.status in {"waiting", "cancelled", "skipped"}:
        parts.append(task.status)
    tail = f" · {' · '.join(parts)}"
    title = one_line(task.title, max(FEWEST_COLUMNS, width - INDENT - len(tail)))
    text = Text.assemble(_mark(task.status), " ", title, (tail, "dim"))
    if task.note:
        style = "red" if task.status == "failed" else "yellow"
        text.append(f" · {one_line(task.note, NOTE_WIDTH)}", style)
    return text


def _mark(status: str) -> tuple[str, str]:
    return MARKS.get(status, ("·", "default"))


def _sums(board: Board, now: datetime) -> str:
    counts = board.counts()
    parts = [f"{counts['succeeded']:,} of {counted(sum(counts.values()), 'task')}"]
    if board.started_at:
        seconds = ((board.finished_at or now) - board.started_at).total_seconds()
        parts.append(duration(max(0.0, seconds)))
    parts.append(counted(board.requests, "model call"))
    parts.append(counted(board.tokens, "token"))
    parts.append(spent(board.cost_usd, board.unpriced))
    return " · ".join(parts)
