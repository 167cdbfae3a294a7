"""The tree and the plain lines of a recorded run."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.tree import Tree

from nexus.cli.show.board import Board
from nexus.cli.show.lines import line_for
from nexus.cli.show.tree import plan_tree, run_tree
from tests.cli.recorded import ENDING, PLAN, PROJECT_ID, RUNNING, event, progress

NOW = datetime(2026, 1, 1, 12, 0, 8, tzinfo=UTC)


def drawn(tree: Tree) -> list[str]:
    """The lines of a tree on a console of 100 columns."""
    console = Console(file=StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(tree)
    return [line.rstrip() for line in capture.get().splitlines()]


def board_after(*histories: list[dict[str, object]]) -> Board:
    board = Board(PROJECT_ID, "Penguin market")
    board.load(progress("planned", 2))
    for history in histories:
        for one in history:
            board.apply(one)
    return board


def test_a_run_under_way() -> None:
    assert drawn(run_tree(board_after(RUNNING), NOW, lines=40, width=100)) == [
        "● Penguin market · running",
        "├── Research · 1/2",
        "│   ├── ✔ Market figures · research · 3.0 s",
        "│   └── ● Interviews · research · 6.0 s · attempt 2 · again after: the model timed out",
        "├── Writing · 0/1",
        "│   └── ○ Report · content",
        "└── 1 of 3 tasks · 7.0 s · 2 model calls · 2,000 tokens · $0.2510",
    ]


def test_a_run_that_failed_says_why_and_what_was_skipped() -> None:
    assert drawn(run_tree(board_after(RUNNING, ENDING), NOW, lines=40, width=100)) == [
        "✘ Penguin market · failed",
        "├── Research · 1/2",
        "│   ├── ✔ Market figures · research · 3.0 s",
        "│   └── ✘ Interviews · research · 7.0 s · attempt 2 · no such page",
        "├── Writing · 0/1",
        "│   └── ⊘ Report · content · skipped · because talks did not succeed",
        "└── 1 of 3 tasks · 8.0 s · 2 model calls · 2,000 tokens · $0.2510",
    ]


def test_an_event_seen_twice_counts_once() -> None:
    assert board_after(RUNNING, RUNNING) == board_after(RUNNING)


def test_a_new_plan_asks_for_a_snapshot() -> None:
    board = board_after()
    planned = {"seq": 3, "type": "project.replanned", "at": "", "data": {"plan_version": 2}}
    assert board.apply(planned) is True
    assert board.apply(RUNNING[3]) is False


def test_a_long_phase_is_shortened_to_what_moves() -> None:
    snapshot = progress("running", 2)
    template = snapshot["phases"][0]["tasks"][0]
    snapshot["phases"][0]["tasks"] = [
        {**template, "id": f"tsk_{number}", "key": f"t{number}", "title": f"Task {number}"}
        | {"status": "running" if number == 500 else "succeeded" if number < 500 else "pending"}
        for number in range(1_000)
    ]
    board = Board(PROJECT_ID, "Many")
    board.load(snapshot)
    lines = drawn(run_tree(board, NOW, lines=12, width=100))
    assert len(lines) <= 14
    assert any("Task 500 " in line for line in lines)
    assert any("… 500 succeeded, 4" in line for line in lines)


def test_a_plan_shows_who_does_what_after_what() -> None:
    assert drawn(plan_tree(PLAN, "Plan: Penguin market")) == [
        "Plan: Penguin market",
        "├── Research · parallel",
        "│   ├── market: Market figures · research",
        "│   └── talks: Interviews · research",
        "└── Writing · parallel",
        "    └── report: Report · content · after market, talks",
    ]


def test_plain_lines_tell_the_run() -> None:
    board = board_after()
    told = []
    for one in RUNNING + ENDING:
        board.apply(one)
        told.append(line_for(one, board))
    assert [line for line in told if line] == [
        "project started",
        "task market started (research)",
        "task market succeeded in 3.0 s",
        "task talks started (research)",
        "task talks will be tried again: the model timed out",
        "task talks failed: no such page",
        "task report skipped: because talks did not succeed",
        "project failed: 1 of 3 tasks failed; 2 model calls, $0.2510",
    ]


def test_what_a_review_found_is_said_until_the_task_ends() -> None:
    found = ["Sources: none are named."]
    told = event(14, "task.reviewed", 8, "talks", accepted=False, round=1, findings=found)
    board = board_after(RUNNING, [told])
    words = "rejected in review 1: Sources: none are named."
    assert line_for(told, board) == f"task talks: {words}"
    assert any(words in line for line in drawn(run_tree(board, NOW, lines=40, width=160)))
    accepted = event(15, "task.reviewed", 8, "talks", accepted=True, round=2, findings=[])
    assert line_for(accepted, board) == "task talks: accepted in review 2"
    board = board_after(RUNNING, [told, event(16, "task.succeeded", 9, "talks")])
    assert not any(words in line for line in drawn(run_tree(board, NOW, lines=40, width=100)))


def test_a_price_that_is_unknown_is_not_zero() -> None:
    unknown = event(14, "model.called", 9, "talks", input_tokens=5, output_tokens=5, cost_usd=None)
    end = event(15, "project.succeeded", 9)
    board = board_after([*RUNNING, unknown])
    said = line_for(end, board)
    assert said == "project succeeded: 3 model calls, $0.2510 and 1 call of unknown price"
    board.cost_usd *= 0
    assert line_for(end, board) == "project succeeded: 3 model calls, 1 call of unknown price"
