"""Kill -9 of what runs: the project goes on, and no recorded model call is paid for again."""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import open_api, plan, task
from tests.e2e.installation import LEASE_SECONDS, Installation, copy_project
from tests.e2e.test_model_at_work import say_task, task_of, text_of
from tests.scripted_model import Reply, ScriptedModel
from tests.support.places import free_port
from tests.support.waiting import until

STOP_SECONDS = 5.0
GARBAGE = "Let me think about the sea."
MENDING = "<correction>\n"
CHAIN = plan(task("one"), task("two", "one"), task("three", "two"))


class HeldAt:
    """Answers, but keeps whoever asks for `key` waiting until it is let go.

    Plans are written at the second try, which waits as well.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.let_go = asyncio.Event()

    async def __call__(self, request: dict[str, Any]) -> Reply:
        about = task_of(request)
        if about == "plan" and MENDING not in text_of(request):
            return GARBAGE
        if about in ("plan", self.key):
            await self.let_go.wait()
        return json.dumps(plan(task("write"))) if about == "plan" else say_task(request)


@pytest.fixture
def second(tmp_path: Path, e2e_redis: int) -> Iterator[Installation]:
    """An installation of one test: a key for the model, and its address without `/v1`."""
    settings = {
        "NEXUS_REDIS_URL": f"redis://127.0.0.1:{e2e_redis}/0",
        "NEXUS_CHROMA_URL": "http://127.0.0.1:1",
        "NEXUS_LEASE_SECONDS": str(LEASE_SECONDS),
        "NEXUS_MODEL": "openai:any",
        "OPENAI_API_KEY": "sk-of-a-test",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }
    installed = Installation(copy_project(tmp_path / "clone"), settings)
    try:
        yield installed
    finally:
        installed.stop()


@pytest.fixture
async def held(second: Installation) -> AsyncIterator[tuple[ScriptedModel, HeldAt]]:
    """The model of that installation, which keeps task `two` waiting."""
    script = HeldAt("two")
    port = int(second.settings["OPENAI_BASE_URL"].rpartition(":")[2])
    async with ScriptedModel(script, port=port) as model:
        yield model, script


async def test_kill_9_of_everything_in_mid_call_loses_and_repeats_nothing(
    second: Installation, held: tuple[ScriptedModel, HeldAt]
) -> None:
    """Two projects are caught: one with its task `two` in mid-call, one mending its plan."""
    model, script = held
    server = second.start_api()
    worker = second.start_worker()
    async with open_api(second) as api:
        project = await api.start("Survive", plan=CHAIN)
        unplanned = await api.start("Be planned")
        watching = asyncio.create_task(api.stream(project))
        await model.wait_for_calls(4)
        second.kill(worker)
        worker = second.start_worker()
        await model.wait_for_calls(6)
        for process in (worker, server):
            second.kill(process)
        server = second.start_api()
        second.start_worker()
        await model.wait_for_calls(8)
        await _restart_politely(second, server)
        script.let_go.set()
        assert (await api.end(project))["status"] == "succeeded"
        assert (await api.end(unplanned))["status"] == "succeeded"
        assert await watching == await api.events(project)
        tasks = await api.tasks(project)
        [subtask] = (await api.get(f"/tasks/{tasks['two']['id']}/subtasks"))["items"]
    asked = Counter(task_of(one) for one in model.requests)
    assert asked == {"one": 1, "two": 3, "three": 1, "plan": 4, "write": 1}
    assert [text_of(one).count(MENDING) for one in model.requests if task_of(one) == "plan"] == [
        *(0, 1, 1, 1)
    ]
    assert model.headers[0]["authorization"] == "Bearer sk-of-a-test"
    assert tasks["two"]["output"] == "The answer to two is two-42."
    assert subtask["attempt"] == tasks["two"]["attempt"] == 3


async def _restart_politely(second: Installation, server: subprocess.Popen[bytes]) -> None:
    """Tell the API to end while somebody watches events: it ends at once all the same."""
    server.send_signal(signal.SIGTERM)
    await until(lambda: server.poll() is not None, timeout=STOP_SECONDS)
    second.start_api()
