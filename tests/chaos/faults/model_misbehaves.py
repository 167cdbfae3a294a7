"""A model that fails in every way there is: every task ends, with a reason, within its calls."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.chaos.conversation import asked, task_of
from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import World
from tests.scripted_model import Raw, Reply, ToolCalls, error
from tests.scripted_stream import Streamed
from tests.support.history import Row
from tests.support.rig import plan, task

ATTEMPTS: Final = 2
REPAIRS: Final = 2
RETRY_AFTER_SECONDS: Final = 2
TIMEOUT_SECONDS: Final = 2.0
SILENCE_SECONDS: Final = 1.5
HUGE: Final = "A sentence of a model that does not stop. " * 250_000
"""10 MB and a little."""
MOST_MEMORY_MB: Final = 400.0

COMPLETION: Final = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "any",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "A whole sentence. " * 40},
            }
        ],
    }
)


async def hang(request: dict[str, Any]) -> Reply:
    """Never answer."""
    await asyncio.Event().wait()
    return "never"


@dataclass(frozen=True, slots=True)
class Case:
    """What the model does to a task for ever, or `once`; the codes its failure may have."""

    reply: Reply | Callable[[dict[str, Any]], Any]
    codes: frozenset[str] = frozenset()
    once: bool = False
    calls: int = ATTEMPTS * (1 + REPAIRS)


def _fails(reply: Reply | Callable[[dict[str, Any]], Any], *codes: str, calls: int = 2) -> Case:
    return Case(reply, frozenset(codes), calls=calls)


FINE: Final = "fine"
CASES: Final = {
    FINE: Case("A sentence.", calls=1),
    "limited": Case(error(429, retry_after=str(RETRY_AFTER_SECONDS)), once=True, calls=2),
    "failed-once": Case(error(500), once=True, calls=2),
    "huge": Case(HUGE, calls=1),
    "failing": _fails(error(500), "model_unavailable"),
    "silent": _fails(hang, "model_timeout"),
    "stalling": _fails(Raw(body=COMPLETION, stall=True), "model_timeout"),
    "cutting": _fails(Raw(body=COMPLETION, cut=True), "model_unreachable", "model_garbled"),
    "broken-json": _fails(Raw(body=COMPLETION[:200]), "model_garbled"),
    "broken-arguments": _fails(
        ToolCalls((("read_file", '{"path": "a'),)),
        *("model_output_invalid", "limit_reached", "model_calls_exhausted"),
        calls=20,
    ),
    "wrong-tool": _fails(
        ToolCalls((("launch", {}),)), "model_output_invalid", "limit_reached", calls=20
    ),
    "empty": _fails("", "model_output_invalid", "empty_output", calls=6),
}


STREAMS: Final = {
    "stream-cut": _fails(Streamed(("The answer ",), cut=True), "model_unreachable"),
    "stream-ends": _fails(Streamed(("The answer ",), is_finished=False), "model_stream_broken"),
    "stream-stalls": _fails(Streamed(("The answer ",), stall=True), "model_timeout"),
    "stream-silent": _fails(Streamed((), stall=True), "model_timeout"),
    "stream-garbled": _fails(
        Raw(body='data: {"choices": 3}\n\n', content_type="text/event-stream"), "model_garbled"
    ),
    "stream-cut-once": Case(Streamed(("The answer ",), cut=True), once=True, calls=2),
}
"""What can go wrong only in a stream; asked for one, the model does the rest of the cases too."""
ALL: Final = {**CASES, **STREAMS}


class Misbehaving:
    """The script: looks up the case a request is about."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, request: dict[str, Any]) -> Any:
        name = task_of(request)
        self.calls[name] += 1
        case = ALL[name]
        if case.once and self.calls[name] > 1:
            return f"The answer to {name}, at last."
        return case.reply(request) if callable(case.reply) else case.reply


@fault(
    "model-misbehaves",
    row="model: 429 with Retry-After, 500, timeout, broken JSON, wrong tool, empty, 10 MB, cut half-way",
    runs=5,
    short_databases=("sqlite",),
)
async def model_misbehaves(world: World) -> Figures:
    return await _misbehave(world, CASES)


@fault(
    "streams-misbehave",
    row="streamed replies that are cut, stall, end too soon or are no replies, and all of the above",
    runs=5,
    short=0,
)
async def streams_misbehave(world: World) -> Figures:
    world.settings["NEXUS_MODEL_FIRST_TOKEN_SECONDS"] = str(SILENCE_SECONDS)
    figures = await _misbehave(world, ALL)
    streamed = sum(bool(request.get("stream")) for request in world.model.requests)
    require(streamed, "no reply was streamed")
    return {**figures, "streamed": streamed}


async def _misbehave(world: World, cases: Mapping[str, Case]) -> Figures:
    """Give each case a task and a model that misbehaves; judge how they end."""
    script = Misbehaving()
    world.model.script = script
    worker = await world.start_worker(NEXUS_MODEL_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS))
    memory = worker.memory_mb()
    project = await world.submit(
        plan(
            *(
                task(name, "memory", *([] if name == FINE else [FINE]), max_attempts=ATTEMPTS)
                for name in cases
            )
        )
    )
    states = await world.end([project])
    require(states[project] == "failed", f"the project {states[project]}")
    rows = await world.rows(
        "SELECT t.key, t.status, t.error, s.output FROM tasks t JOIN subtasks s ON s.task_id = t.id"
    )
    for row in rows:
        _judge(row, cases[row["key"]], script.calls[row["key"]])
    waited = _waited(world, "limited")
    require(waited >= RETRY_AFTER_SECONDS, f"asked again {waited} s after a 429")
    grown = round(worker.memory_mb() - memory, 1)
    require(grown <= MOST_MEMORY_MB, f"the worker grew by {grown} MB")
    slowest = await world.count("SELECT max(finished_at) - min(started_at) FROM tasks")
    return {
        "cases": len(cases),
        "calls": world.model.calls,
        "asked again after 429 s": waited,
        "slowest s": round(slowest / 1e6, 1),
        "worker + MB": grown,
    }


def _judge(row: Row, case: Case, calls: int) -> None:
    """The task is over as it should be, and did not ask more often than it may."""
    key = row["key"]
    require(calls <= case.calls, f"{key} made {calls} calls, {case.calls} allowed")
    if not case.codes:
        require(row["status"] == "succeeded", f"{key} is {row['status']}: {row['error']}")
        return
    require(row["status"] == "failed", f"{key} is {row['status']}")
    told = json.loads(row["error"])
    require(told["code"] in case.codes, f"{key} failed with {told}")
    require(told["hint"] and 10 < len(told["message"]) < 500, f"{key} does not say why: {told}")


def _waited(world: World, name: str) -> float:
    """Seconds between the first call of a task and the second."""
    first, second = [call.at_us for call in asked(world.model) if call.task == name][:2]
    return round((second - first) / 1e6, 2)
