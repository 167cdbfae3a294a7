"""Work done by a model on a socket: what it is told, in which order, and how much at once."""

import asyncio
import re
import time
from typing import Any

from tests.e2e.api import Api, plan, task
from tests.scripted_model import Reply, ScriptedModel, Text

REACH_SECONDS = 5.0


def task_of(request: dict[str, Any]) -> str:
    """Name the task a request is about."""
    found = re.search(r'<task key="([^"]+)"', str(request["messages"]))
    return found.group(1) if found else "plan"


def text_of(request: dict[str, Any]) -> str:
    """Put all a request says to the model in one text."""
    return "\n".join(str(message.get("content") or "") for message in request["messages"])


def say_task(request: dict[str, Any]) -> Reply:
    """Answer with a sentence that no prompt holds by itself."""
    return f"The answer to {task_of(request)} is {task_of(request)}-42."


class Together:
    """Answers nobody until `count` ask at once: without parallelism it never answers."""

    def __init__(self, *keys: str) -> None:
        self._gate = asyncio.Barrier(len(keys))
        self._keys = set(keys)

    async def __call__(self, request: dict[str, Any]) -> Reply:
        if task_of(request) in self._keys:
            await self._gate.wait()
        return say_task(request)


async def test_a_model_is_told_goal_task_acceptance_and_what_came_before(
    api: Api, model_port: int
) -> None:
    first = task("scan", instructions="Scan the horizon.")
    then = task(
        "sum", "scan", title="Sum it up", instructions="Add it all.", acceptance=["Has a total"]
    )
    async with ScriptedModel(say_task, port=model_port) as model:
        project = await api.start("Chart the unknown sea", plan=plan(first, then))
        assert (await api.end(project))["status"] == "succeeded"
    scan, total = (text_of(one) for one in model.requests)
    assert "Chart the unknown sea" in scan
    assert "Scan the horizon." in scan
    for words in ("Chart the unknown sea", "Sum it up", "Add it all.", "Has a total"):
        assert words in total
    assert "The answer to scan is scan-42." in total
    assert "authorization" not in model.headers[0] or "no-key" in model.headers[0]["authorization"]
    parts = (await api.get(f"/projects/{project}/deliverable"))["parts"]
    assert [part["content"] for part in parts] == ["The answer to sum is sum-42."]
    usage = (await api.get(f"/projects/{project}"))["usage"]
    assert (usage["requests"], usage["input_tokens"], usage["output_tokens"]) == (2, 200, 40)


async def test_ten_independent_tasks_ask_at_once(api: Api, model_port: int) -> None:
    keys = [f"part{number}" for number in range(10)]
    asked: list[float] = []

    def script(request: dict[str, Any]) -> Reply:
        asked.append(time.monotonic())
        return Text("Done.", delay_seconds=1.0)

    async with ScriptedModel(script, port=model_port) as model:
        project = await api.start("Ten at once", plan=plan(*(task(key) for key in keys)))
        assert (await api.end(project))["status"] == "succeeded"
    print(f"ten calls of one second: {time.monotonic() - asked[0]:.2f} s after the first began")
    assert (model.calls, model.max_open) == (10, 10)


async def test_a_chain_keeps_its_order(api: Api, model_port: int) -> None:
    async with ScriptedModel(say_task, port=model_port) as model:
        project = await api.start("Chain", plan=plan(task("c", "b"), task("b", "a"), task("a")))
        assert (await api.end(project))["status"] == "succeeded"
    assert [task_of(one) for one in model.requests] == ["a", "b", "c"]
    assert model.max_open == 1
    assert "a-42" in model.prompt(1)
    assert "a-42" not in model.prompt(2)
    assert "b-42" in model.prompt(2)


async def test_the_sides_of_a_diamond_run_together(api: Api, model_port: int) -> None:
    diamond = plan(
        task("top"), task("left", "top"), task("right", "top"), task("end", "left", "right")
    )
    async with ScriptedModel(Together("left", "right"), port=model_port) as model:
        project = await api.start("Diamond", plan=diamond)
        assert (await api.end(project))["status"] == "succeeded"
    order = [task_of(one) for one in model.requests]
    assert (order[0], sorted(order[1:3]), order[3]) == ("top", ["left", "right"], "end")
    assert "left-42" in model.prompt(3)
    assert "right-42" in model.prompt(3)


async def test_cancel_reaches_a_running_call_and_none_begins_after(
    api: Api, model_port: int
) -> None:
    async def script(request: dict[str, Any]) -> Reply:
        await asyncio.Event().wait()
        return "never"

    async with ScriptedModel(script, port=model_port) as model:
        tasks = [task(f"t{number}") for number in range(3)]
        project = await api.start("Cancelled", plan=plan(*tasks, task("after", "t0")))
        await model.wait_for_calls(3)
        answer = await api.http.post(f"/projects/{project}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        counted = model.calls
        began = time.monotonic()
        async with asyncio.timeout(REACH_SECONDS):
            await model.wait_for_none_open()
        print(f"cancel reached the running calls after {time.monotonic() - began:.2f} s")
        assert (await api.end(project))["status"] == "cancelled"
        # The worker is alive and takes other work, none of it of the cancelled project.
        model.script = say_task
        other = await api.start("Another", plan=plan(task("other")))
        assert (await api.end(other))["status"] == "succeeded"
    assert [task_of(one) for one in model.requests[counted:]] == ["other"]
    states = {one["status"] for one in (await api.tasks(project)).values()}
    assert states == {"cancelled"}


async def test_cancel_reaches_the_manager_as_well(api: Api, model_port: int) -> None:
    async def script(request: dict[str, Any]) -> Reply:
        await asyncio.Event().wait()
        return "never"

    async with ScriptedModel(script, port=model_port) as model:
        project = await api.start("Never planned")
        await model.wait_for_calls(1)
        assert (await api.http.post(f"/projects/{project}/cancel")).status_code == 202
        async with asyncio.timeout(REACH_SECONDS):
            await model.wait_for_none_open()
        ended = await api.end(project)
        assert (ended["status"], ended["plan_version"]) == ("cancelled", None)
        assert (await api.http.delete(f"/projects/{project}")).status_code == 204
    assert model.calls == 1
