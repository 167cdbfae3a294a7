"""Models that fail in every way there is: the project fails, readably, soon and within its calls.

All cases run side by side, each as a project to plan and as a project with one task. A model
that answers, however badly, never fails the planning: a safe plan is made, and said to be one.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.e2e.api import Api, open_api, plan, task
from tests.e2e.installation import Installation
from tests.scripted_model import HangUp, Raw, Reply, ScriptedModel, ToolCalls, error

MOST_PLAN_CALLS: Final = 6
MOST_TASK_CALLS: Final = 3
BOUND_SECONDS: Final = 45.0
ESSAY: Final = "The sea has always moved those who look at it. " * 40

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
                "message": {"role": "assistant", "content": ESSAY},
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
    """How a model is bad, and the codes that may be told of it."""

    reply: Callable[[dict[str, Any]], Any]
    codes: frozenset[str]
    calls: int = MOST_TASK_CALLS
    work_succeeds: bool = False
    is_planned: bool = False


def case(reply: Reply, *codes: str, calls: int = MOST_TASK_CALLS, is_planned: bool = False) -> Case:
    """Write a case of one reply for ever."""
    return Case(lambda _: reply, frozenset(codes), calls, is_planned=is_planned)


CASES: Final[Mapping[str, Case]] = {
    "status-500": case(error(500), "model_unavailable"),
    "status-401": case(error(401, "bad key sk-secret"), "model_key_refused", calls=1),
    "html": case(Raw(body="<html>Welcome</html>", content_type="text/html"), "model_garbled"),
    "empty": case("", "model_output_invalid", "empty_output", is_planned=True),
    "blank": case("  \n ", "model_output_invalid", "empty_output", is_planned=True),
    "hang": Case(hang, frozenset({"model_timeout"})),
    "truncated": case(Raw(body=COMPLETION[:200]), "model_garbled"),
    "cut": case(Raw(body=COMPLETION, cut=True), "model_unreachable", "model_garbled"),
    "hang-up": case(HangUp(), "model_unreachable"),
    "no-choices": case(Raw(body='{"choices": []}'), "model_garbled", "model_output_invalid"),
    "null": case(Raw(body="null"), "model_garbled"),
    "essay": Case(lambda _: ESSAY, frozenset(), work_succeeds=True, is_planned=True),
    "wrong-tool": case(
        ToolCalls((("launch", {}),)),
        "model_output_invalid",
        "limit_reached",
        calls=20,
        is_planned=True,
    ),
}
REFUSED: Final = "refused"
ALL: Final = {**CASES, REFUSED: case("", "model_unreachable", calls=0)}


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a project, and what it cost."""

    project: dict[str, Any]
    calls: int
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def endings(installation: Installation, model_port: int) -> dict[tuple[str, str], Ending]:
    """Every case as (name, `plan` or `work`), all played at once."""
    return asyncio.run(_play_all(installation, model_port))


async def _play_all(installation: Installation, model_port: int) -> dict[tuple[str, str], Ending]:
    calls: Counter[tuple[str, str]] = Counter()

    def script(request: dict[str, Any]) -> Any:
        found = re.search(r"Case (\S+) of (\w+)\.", json.dumps(request["messages"]))
        assert found is not None
        calls[found.group(1), found.group(2)] += 1
        return CASES[found.group(1)].reply(request)

    async def play(api: Api, name: str, kind: str) -> Ending:
        fields: dict[str, Any] = {"model": "ollama:none"} if name == REFUSED else {}
        if kind == "work":
            fields["plan"] = plan(task("only"), task("after", "only"))
        project_id = await api.start(f"Case {name} of {kind}.", **fields)
        project = await api.end(project_id, within=BOUND_SECONDS)
        return Ending(project, calls[name, kind], await api.events(project_id))

    keys = [(name, kind) for name in ALL for kind in ("plan", "work")]
    async with ScriptedModel(script, port=model_port), open_api(installation) as api:
        played = await asyncio.gather(*(play(api, *key) for key in keys))
    return dict(zip(keys, played, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_planning_fails_readably_or_is_done_safely(
    endings: dict[tuple[str, str], Ending], name: str
) -> None:
    ending = endings[name, "plan"]
    if ALL[name].is_planned:
        _is_planned_safely(ending, ALL[name])
        return
    assert ending.project["status"] == "failed"
    assert ending.project["error"]["task_id"] is None
    _is_readable(ending.project["error"], ALL[name].codes)
    assert ending.calls <= min(MOST_PLAN_CALLS, ALL[name].calls * 2)
    assert ending.project["usage"]["requests"] == ending.calls or name == REFUSED
    assert [one["type"] for one in ending.events][-1] == "project.failed"


def _is_planned_safely(ending: Ending, given: Case) -> None:
    planned = [one for one in ending.events if one["type"] == "project.planned"]
    assert planned[0]["data"]["safe"].startswith("the model answered 3 times without a plan")
    wanted = "succeeded" if given.work_succeeds else "failed"
    assert ending.project["status"] == wanted
    assert given.work_succeeds or ending.project["error"]["code"] == "tasks_failed"


@pytest.mark.parametrize("name", ALL)
def test_a_task_fails_readably(endings: dict[tuple[str, str], Ending], name: str) -> None:
    ending = endings[name, "work"]
    if ALL[name].work_succeeds:
        assert ending.project["status"] == "succeeded"
        return
    assert ending.project["status"] == "failed"
    assert str(ending.project["error"]["task_id"]).startswith("tsk_")
    assert ending.project["error"]["code"] == "tasks_failed"
    failed = [one for one in ending.events if one["type"] == "task.failed"]
    assert [one["task_id"] for one in failed] == [ending.project["error"]["task_id"]]
    told = failed[0]["data"]["error"]
    _is_readable(told, ALL[name].codes)
    assert told["message"] in ending.project["error"]["message"]
    assert told["hint"] in ending.project["error"]["hint"]
    assert ending.calls <= ALL[name].calls
    kinds = Counter(one["type"] for one in ending.events)
    assert (kinds["task.skipped"], kinds["project.failed"], kinds["task.succeeded"]) == (1, 1, 0)


def _is_readable(told: dict[str, Any], codes: frozenset[str]) -> None:
    assert set(told) == {"code", "message", "task_id", "hint"}
    assert told["code"] in codes, told
    assert 10 < len(told["message"]) < 500, told
    assert told["hint"], told
    for noise in ("Traceback", "sk-secret", "<html>", "object at 0x"):
        assert noise not in f"{told['message']} {told['hint']}"
