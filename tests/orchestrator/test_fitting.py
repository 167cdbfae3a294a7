"""A project whose outputs are longer than its model's window, on real workers."""

import signal
from pathlib import Path
from typing import Any

from tests.llm.small_window import small
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.databases import ON_SQLITE
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until

FILLER = "Weather at the station was mild and the supply ship came on time again. "
FACT = "The Adelie colony at Signy counted 4711 breeding pairs."
SURVEY = f"{FILLER * 1_400}{FACT} {FILLER * 1_400}"


def survey_then_count(gate: Path, answered: list[str]) -> Any:
    """Make the script of a survey, and of a count that calls a tool before it answers."""

    def script(request: dict[str, Any]) -> Reply:
        last = request["messages"][-1]
        prompt = next(str(m["content"]) for m in request["messages"] if m["role"] == "user")
        if 'key="survey"' in prompt:
            answered.append("survey")
            return SURVEY
        if last["role"] != "tool":
            answered.append("call")
            call = {"file": str(gate.with_suffix(".count")), "gate": str(gate)}
            return ToolCalls((("tally", call),))
        answered.append("count")
        return "4711" if FACT in prompt else "not told"

    return small(script)


@ON_SQLITE
async def test_killed_between_two_fitted_requests_it_asks_nothing_twice(
    scripted: Rig, server: ScriptedModel, tmp_path: Path
) -> None:
    gate, answered = tmp_path / "gate", list[str]()
    server.script = survey_then_count(gate, answered)
    asked = "How many breeding pairs of Adelie were counted at Signy?"
    project = await scripted.start(
        plan(task("survey", "content"), task("count", "content", "survey", instructions=asked))
    )
    worker = scripted.worker_process()
    await until(gate.with_suffix(".count").exists, timeout=40)
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    gate.write_text("")
    scripted.worker_process()
    assert await scripted.end(project) == "succeeded"
    assert answered == ["survey", "call", "count"]
    assert (await scripted.outputs(project))["count"] == "4711"
    told = [
        one.data["fitted"] for one in await scripted.events(project) if one.type == "model.called"
    ]
    assert told[0] is None
    for fitted in told[1:]:
        assert fitted["window_tokens"] == 4_096
        assert [one["of"] for one in fitted["excerpts"]] == ["input survey"]


async def test_a_task_that_is_too_long_itself_fails_readably(
    scripted: Rig, server: ScriptedModel
) -> None:
    server.script = small(lambda request: "fine")
    project = await scripted.start(plan(task("one", "content", instructions=FILLER * 270)))
    async with scripted.worker():
        assert await scripted.end(project) == "failed"
    error = (await scripted.row(project)).error or {}
    assert "the task with its criteria alone has" in error["message"]
    assert "shorten the task with its criteria" in error["hint"]
