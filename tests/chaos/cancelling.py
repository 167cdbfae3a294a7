"""What a run says of cancel: nothing is begun, nothing told and nothing takes effect after its answer.

Part of the history checker. Times are the database's and this machine's, which are one clock
here, so each is allowed a grain.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.chaos.evidence import Evidence
from tests.support.history import History, Row

GRAIN_US: Final = 2_000


def key_of(record: Row) -> str:
    """The key of an effect: of tools the idempotency key, of steps the subtask and the step."""
    last = record["number"] if record["kind"] == "tool" else record["key"]
    first = record["origin"] or record["subtask_id"]
    return f"{first}{':' if record['kind'] == 'tool' else '/'}{last}"


def begun_after_cancel(evidence: Evidence) -> Iterator[str]:
    """List the calls whose intent was committed after the answer."""
    for history, at_us in _cancelled(evidence):
        for record in _journal_of(evidence, history):
            if record["begun_at"] > at_us + GRAIN_US:
                yield f"{record['subtask_id']}:{record['number']} was begun after cancel's answer"


def effects_after_cancel(evidence: Evidence) -> Iterator[str]:
    """List what took place after the answer without having been in flight when cancel was committed.

    What is in flight may still arrive: its intent is older than the cancel, and nothing can
    call it back. It is one call of a subtask at most.
    """
    for history, at_us in _cancelled(evidence):
        in_flight = list(_in_flight(evidence, history))
        yield from _late_calls(evidence, history, in_flight, at_us)
        keys = {key_of(record) for record in in_flight if record["kind"] != "model"}
        own = {subtask["id"] for subtask in history.subtasks}
        for done in evidence.effects:
            is_late = done.subtask_id in own and done.at_us > at_us + GRAIN_US
            if is_late and done.key not in keys:
                yield f"the effect {done.key} ({done.what}) began after cancel's answer"


def _late_calls(
    evidence: Evidence, history: History, in_flight: list[Row], at_us: int
) -> Iterator[str]:
    """A task's calls that arrived after the answer are no more than it had in flight."""
    tasks = {subtask["id"]: subtask["task_id"] for subtask in history.subtasks}
    names = {task["id"]: task["key"] for task in history.tasks}
    excused = Counter(
        names.get(tasks[record["subtask_id"]], "plan")
        for record in in_flight
        if record["kind"] == "model"
    )
    late = Counter(
        call.task
        for call in evidence.calls
        if call.project == history.project["name"] and call.at_us > at_us + GRAIN_US
    )
    for task, count in sorted((late - excused).items()):
        yield f"{history.id}: {count} calls of {task} were made after cancel's answer"


def events_after_cancel(evidence: Evidence) -> Iterator[str]:
    """List what was told of a cancelled project that nobody had retried."""
    for history in evidence.histories:
        over = False
        for event in history.events:
            if over and event["type"] != "project.retried":
                yield f"{history.id} seq {event['seq']}: {event['type']} after project.cancelled"
            over = event["type"] == "project.cancelled"


def _cancelled(evidence: Evidence) -> Iterator[tuple[History, int]]:
    """List the projects whose cancel was answered, and when."""
    for history in evidence.histories:
        at_us = evidence.cancelled.get(history.id)
        if at_us is not None:
            yield history, at_us


def _journal_of(evidence: Evidence, history: History) -> Iterator[Row]:
    own = {subtask["id"] for subtask in history.subtasks}
    return (record for record in evidence.journal if record["subtask_id"] in own)


def _in_flight(evidence: Evidence, history: History) -> Iterator[Row]:
    """List what was begun and not recorded when the cancel was committed; it stays so."""
    ends = [event["at"] for event in history.events if event["type"] == "project.cancelled"]
    for record in _journal_of(evidence, history):
        if ends and record["status"] == "begun" and record["begun_at"] <= max(ends):
            yield record
