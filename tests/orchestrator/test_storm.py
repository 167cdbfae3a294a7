"""A hundred subtasks over four workers meet a rate limit; an agent repeats itself for ever."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from nexus.agents.conversation import MAX_REQUESTS
from nexus.services.reasons import Scene, SubtaskFacts, TaskFacts, reasons_for
from tests.scripted_model import Reply, ScriptedModel, ToolCalls, error
from tests.support.databases import ON_SQLITE
from tests.support.rig import Rig, plan, task
from tests.support.waiting import until

SUBTASKS = 100
WORKERS = 4
MOST_CALLS = 1.5
"""Of those that are allowed, beside other tests on a slow machine; the chaos suite's fault
`rate-limit-storm` has a process for each worker and requires 1.2."""
PATIENT_SECONDS = 60.0
"""A lease that holds however late a loop is that runs four workers."""


class Limited:
    """Lets so many calls a second through, refuses the others with Retry-After."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.since = 0.0
        self.seen: Counter[str] = Counter()
        self._passed = 0

    async def __call__(self, request: dict[str, Any]) -> Reply:
        now = time.monotonic()
        if now - self.since >= 1:
            self.since, self._passed = now, 0
        self._passed += 1
        if self._passed > self.most:
            self.seen["refused"] += 1
            return error(429, retry_after="1")
        self.seen["passed"] += 1
        await asyncio.sleep(0.05)
        return "A sentence."


@ON_SQLITE
@pytest.mark.parametrize("most", [20, 50])
async def test_a_storm_makes_hardly_more_calls_than_are_allowed(rig: Rig, most: int) -> None:
    script = Limited(most)
    async with ScriptedModel(script) as model, AsyncExitStack() as workers:
        project = await rig.start(
            plan(*(task(f"t{n}", "content", max_attempts=1) for n in range(SUBTASKS)))
        )
        for _ in range(WORKERS):
            await workers.enter_async_context(
                rig.worker(
                    model="openai:scripted",
                    openai_base_url=model.base_url,
                    lease_seconds=PATIENT_SECONDS,
                )
            )
        assert await rig.end(project, within=60) == "succeeded"
    print(f"{dict(script.seen)} of a limit of {most} calls a second")
    assert script.seen["passed"] == SUBTASKS
    assert model.calls <= MOST_CALLS * SUBTASKS
    assert {one.attempt for one in await rig.subtasks(project)} == {1}


async def test_what_is_limited_waits_without_a_slot_or_fails_readably_if_its_time_is_too_short(
    rig: Rig,
) -> None:
    async with ScriptedModel(lambda request: error(429, retry_after="30")) as model:
        short = await rig.start(plan(task("short", "content", timeout_seconds=5)))
        async with rig.worker(model="openai:scripted", openai_base_url=model.base_url):
            assert await rig.end(short) == "failed"
            project = await rig.start(plan(task("long", "content", max_attempts=1)))

            async def is_put_off() -> bool:
                (one,) = await rig.subtasks(project)
                return one.error is not None

            await until(is_put_off)
        (one,) = await rig.subtasks(project)
        assert (one.status, one.attempt, one.attempt_open, one.owner) == ("queued", 1, 1, None)
        assert one.run_at > time.time_ns() // 1_000 + 15_000_000
        assert "limiting requests" in one.error["message"]
        assert model.calls == 1
    assert (await rig.tasks(short))["short"].error["code"] == "model_rate_limited"
    facts = SubtaskFacts(one.id, one.status, 1, 1, 10, is_attempt_open=True, last_error="limited")
    (reason,) = reasons_for(TaskFacts("pending", facts), Scene(0, "running", 1, 0))
    assert reason.text == "not before 1970-01-01T00:00:00.000010Z: limited"


async def test_an_agent_that_repeats_itself_is_stopped_at_its_cap(rig: Rig) -> None:
    same = ToolCalls((("list_files", {}),))
    async with ScriptedModel(lambda request: same) as model:
        project = await rig.start(plan(task("again", "content")))
        async with rig.worker(model="openai:scripted", openai_base_url=model.base_url):
            assert await rig.end(project) == "failed"
    assert model.calls == MAX_REQUESTS
    error_of = (await rig.tasks(project))["again"].error
    assert error_of["code"] in ("limit_reached", "model_calls_exhausted")
    assert str(MAX_REQUESTS) in error_of["message"]
    assert error_of["hint"]
