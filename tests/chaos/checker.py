"""The history checker: what must hold of everything a run left behind, whatever was done to it.

Called after every run of every fault. Each check yields a sentence for each thing that is
wrong; the sentences are the run's violations.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from nexus.domain.states import PROJECT_TERMINAL
from tests.chaos.evidence import Evidence
from tests.chaos.order import early_starts
from tests.chaos.spending import calls_without_budget
from tests.support.history import History, Row, differences

EXPLAINED: Final = ("planned", "waiting", "paused")
CLOCK_GRAIN_US: Final = 2_000
UNDER_CLAIM: Final = frozenset(
    {
        "model.called",
        "tool.called",
        "subtask.succeeded",
        "subtask.retrying",
        "subtask.released",
        "subtask.waiting",
    }
)
"""Events that only the holder of a claim may cause."""


def every_project_ends_or_says_why(evidence: Evidence) -> Iterator[str]:
    """I1: and none that was accepted is lost."""
    states = {one.id: one.project["status"] for one in evidence.histories}
    for project_id in sorted(evidence.accepted - states.keys()):
        yield f"{project_id} was accepted and is gone"
    for project_id, state in states.items():
        if state not in PROJECT_TERMINAL and state not in EXPLAINED:
            yield f"{project_id} is still {state}"
    for one in evidence.histories:
        if one.project["status"] == "failed" and not one.project["error"]:
            yield f"{one.id} failed without a reason"


def one_claim_at_a_time(evidence: Evidence) -> Iterator[str]:
    """I2: claims follow one another, and nobody writes under an old one."""
    for history in evidence.histories:
        running: dict[str, str] = {}
        for event in history.events:
            yield from _one_claim(history, event, running)
    known = {s["id"]: s for history in evidence.histories for s in history.subtasks}
    for record in evidence.journal:
        subtask = known.get(record["subtask_id"])
        if subtask and record["claim"] > subtask["claim"]:
            yield f"journal {record['subtask_id']}:{record['number']} is of a claim never made"
    yield from _stale_records(evidence)
    yield from _dead_leases(evidence)


def _stale_records(evidence: Evidence) -> Iterator[str]:
    """What is recorded under a claim was asked under it: an answer to an earlier one is refused."""
    starts: dict[str, list[int]] = defaultdict(list)
    for history in evidence.histories:
        for event in history.events:
            if event["type"] == "subtask.started":
                starts[event["subtask_id"]].append(event["at"])
    numbers = {call.number: call for call in evidence.calls}
    for record in evidence.journal:
        call = numbers.get(_number_of(record["result"])) if record["kind"] == "model" else None
        began = [at for at in starts[record["subtask_id"]] if at <= (record["recorded_at"] or 0)]
        if call and began and call.at_us < max(began) - CLOCK_GRAIN_US:
            yield f"{record['subtask_id']} recorded call {call.number} of an earlier claim"


def _one_claim(history: History, event: Row, running: dict[str, str]) -> Iterator[str]:
    subtask_id, kind = event["subtask_id"], event["type"]
    where = f"{history.id} seq {event['seq']}"
    if kind == "subtask.started":
        if subtask_id in running:
            yield f"{where}: {subtask_id} started while {running[subtask_id]} held it"
        running[subtask_id] = json.loads(event["data"])["worker"]
    elif kind in UNDER_CLAIM:
        if subtask_id not in running:
            yield f"{where}: {kind} of {subtask_id}, which nobody held"
        if kind.startswith("subtask."):
            running.pop(subtask_id, None)
    elif kind in ("subtask.failed", "subtask.cancelled"):
        running.pop(subtask_id, None)


def _dead_leases(evidence: Evidence) -> Iterator[str]:
    """No subtask stays running under a lease that ended two leases ago."""
    leases = {worker["id"]: worker["lease_until"] for worker in evidence.workers}
    latest = evidence.gathered_us - int(2e6 * evidence.lease_seconds)
    for history in evidence.histories:
        for subtask in history.subtasks:
            if subtask["status"] == "running" and leases.get(subtask["owner"], 0) < latest:
                yield f"{subtask['id']} is running under the dead lease of {subtask['owner']}"


def nothing_recorded_is_done_again(evidence: Evidence) -> Iterator[str]:
    """I3: for model calls by what was asked, for effects by their idempotency key."""
    yield from _calls_again(evidence)
    yield from _effects_again(evidence)


def _calls_again(evidence: Evidence) -> Iterator[str]:
    """Find calls that came after the last record of the same request.

    A record names the answer it keeps, and the answer's id ends with the call's number.
    """
    kept: dict[str, int] = {}
    numbers = {call.number: call for call in evidence.calls}
    excused = Counter[str]()
    for record in evidence.journal:
        if record["kind"] != "model":
            continue
        call = numbers.get(_number_of(record["result"]))
        if call is None:
            excused[record["subtask_id"]] += record["status"] != "recorded"
            continue
        kept[call.fingerprint] = max(kept.get(call.fingerprint, 0), record["recorded_at"])
    late = [
        c for c in evidence.calls if c.at_us > kept.get(c.fingerprint, c.at_us) + CLOCK_GRAIN_US
    ]
    if len(late) > excused.total():
        for call in late:
            yield f"call {call.number} (task {call.task}) was asked again after it was recorded"


def _number_of(result: str | None) -> int:
    if not result:
        return 0
    value = json.loads(result)
    answer = str(value.get("provider_response_id", "")) if isinstance(value, dict) else ""
    return int(answer.rpartition("-")[2] or 0) if answer.startswith("chatcmpl-") else 0


def _effects_again(evidence: Evidence) -> Iterator[str]:
    recorded = {
        _key_of(record): record["recorded_at"]
        for record in evidence.journal
        if record["kind"] != "model" and record["status"] == "recorded"
    }
    times = Counter(done.key for done in evidence.effects)
    for done in evidence.effects:
        if done.at_us > recorded.get(done.key, done.at_us) + CLOCK_GRAIN_US:
            yield f"the effect {done.key} ({done.what}) took place again after it was recorded"
    starts = Counter(
        event["subtask_id"]
        for history in evidence.histories
        for event in history.events
        if event["type"] == "subtask.started"
    )
    under = {(_key_of(record), record["subtask_id"]) for record in evidence.journal}
    for key, count in times.items():
        first = (key, key.partition("/")[0].partition(":")[0])
        started = sum(starts[subtask] for made, subtask in {first, *under} if made == key)
        if count > started:
            yield f"the effect {key} took place {count} times in {started} attempts"


def _key_of(record: Row) -> str:
    """The key of an effect: of tools the idempotency key, of steps the subtask and the step."""
    last = record["number"] if record["kind"] == "tool" else record["key"]
    first = record["origin"] or record["subtask_id"]
    return f"{first}{':' if record['kind'] == 'tool' else '/'}{last}"


def tasks_wait_for_what_they_depend_on(evidence: Evidence) -> Iterator[str]:
    """I4: by the order of the events."""
    for history in evidence.histories:
        yield from early_starts(history)


def spend_adds_up(evidence: Evidence) -> Iterator[str]:
    """I5: what the events say was spent is what the rows say, and no call began without a budget."""
    for history in evidence.histories:
        called = [json.loads(e["data"]) for e in history.events if e["type"] == "model.called"]
        for name in ("input_tokens", "output_tokens"):
            told = sum(one[name] for one in called)
            if told != history.project[name]:
                yield f"{history.id}: {told} {name} in its events, {history.project[name]} in its row"
    yield from calls_without_budget(evidence)


def history_gives_the_tables(evidence: Evidence) -> Iterator[str]:
    """I6: event numbers without a gap; folding them gives the tables' state."""
    for history in evidence.histories:
        for difference in differences(history):
            yield f"{history.id}: {difference}"


def approvals_are_used_once(evidence: Evidence) -> Iterator[str]:
    """I7: each question is decided at most once, and used only when it was."""
    for history in evidence.histories:
        decided = Counter(
            json.loads(event["data"])["approval_id"]
            for event in history.events
            if event["type"] == "approval.decided"
        )
        for one in history.approvals:
            count = decided[one["id"]]
            if count > 1:
                yield f"{one['id']} was decided {count} times"
            if one["used_at"] is not None and not count:
                yield f"{one['id']} was used and never decided"


def nothing_new_after_cancel(evidence: Evidence) -> Iterator[str]:
    """I8: no intent is committed, and no event told, after cancel was answered."""
    owners = {s["id"]: h.id for h in evidence.histories for s in h.subtasks}
    for record in evidence.journal:
        at_us = evidence.cancelled.get(owners.get(record["subtask_id"], ""))
        if at_us is not None and record["begun_at"] > at_us + CLOCK_GRAIN_US:
            yield f"{record['subtask_id']}:{record['number']} was begun after cancel's answer"
    for history in evidence.histories:
        over = False
        for event in history.events:
            if over and event["type"] != "project.retried":
                yield f"{history.id} seq {event['seq']}: {event['type']} after project.cancelled"
            over = event["type"] == "project.cancelled"


def nothing_is_left_lying(evidence: Evidence) -> Iterator[str]:
    """I9: no Redis key without an owner or an end, no process, no temporary file."""
    prefix = f"{evidence.installation_id}:"
    owned = {f"{prefix}queue:quick", f"{prefix}queue:work"}
    for key in evidence.keys:
        if not key.name.startswith(prefix):
            yield f"the Redis key {key.name} is nobody's"
        elif key.ttl_seconds < 0 and key.name not in owned:
            yield f"the Redis key {key.name} never ends"
    for stray in evidence.strays:
        yield f"a process is left: {stray}"
    for name in evidence.temporaries:
        yield f"a temporary file is left: {name}"


Check = Callable[[Evidence], Iterator[str]]
CHECKS: Final[Sequence[tuple[str, Check]]] = (
    ("I1", every_project_ends_or_says_why),
    ("I2", one_claim_at_a_time),
    ("I3", nothing_recorded_is_done_again),
    ("I4", tasks_wait_for_what_they_depend_on),
    ("I5", spend_adds_up),
    ("I6", history_gives_the_tables),
    ("I7", approvals_are_used_once),
    ("I8", nothing_new_after_cancel),
    ("I9", nothing_is_left_lying),
)


def check(evidence: Evidence) -> list[str]:
    """List everything that is wrong, each sentence behind the invariant it breaks."""
    return [f"{name}: {wrong}" for name, finds in CHECKS for wrong in finds(evidence)]
