"""What a worker has read from the queue is claimed only into slots that are still free."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nexus.orchestrator.consumer import Consumer
from nexus.orchestrator.queue import Message, Queue
from nexus.worker import work
from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until


async def test_slots_that_were_filled_while_the_queue_was_read_stay_theirs(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, give_back = Queue.read, Queue.give_back
    options = json.dumps({"folder": str(tmp_path)})
    returned = list[Message]()

    def begun(key: str) -> bool:
        return (tmp_path / f"{key}.begun").exists()

    async def read_late(queue: Queue, *given: Any) -> list[Message]:
        messages = await read(queue, *given)
        if messages and begun("a") and not returned:
            opened(tmp_path, "a")
            await until(lambda: begun("b") and begun("c"))
        return messages

    async def note(queue: Queue, messages: list[Message]) -> None:
        returned.extend(messages)
        await give_back(queue, messages)

    monkeypatch.setattr(Queue, "read", read_late)
    monkeypatch.setattr(Queue, "give_back", note)
    after = [task(key, "gate", "a", instructions=options) for key in "bc"]
    async with rig.worker(concurrency=2):
        first = await rig.start(plan(task("a", "gate", instructions=options), *after))
        await until(lambda: begun("a"))
        second = await rig.start(plan(task("d", "gate", instructions=options)))
        await until(lambda: bool(returned) or begun("d"))
        opened(tmp_path, "bcd")
        assert await rig.end(first) == await rig.end(second) == "succeeded"
    ends = [one.at for one in await rig.events(first) if one.type == "subtask.succeeded"]
    [began] = [one.at for one in await rig.events(second) if one.type == "subtask.started"]
    assert sorted(ends)[1] < began, "it began while both slots were taken"


async def test_what_is_read_while_a_worker_is_told_to_stop_is_left_to_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, note_stop = Queue.read, Consumer._note_stop
    stop, noted = asyncio.Event(), asyncio.Event()

    def note(consumer: Consumer) -> None:
        note_stop(consumer)
        noted.set()

    async def read_late(queue: Queue, *given: Any) -> list[Message]:
        messages = await read(queue, *given)
        if messages and not stop.is_set():
            stop.set()
            await noted.wait()
        return messages

    monkeypatch.setattr(Queue, "read", read_late)
    monkeypatch.setattr(Consumer, "_note_stop", note)
    project = await rig.start(plan(task("a", "quick")))
    await work(rig.settings, rig.parts, stop)

    [subtask] = await rig.subtasks(project)
    assert (subtask.status, subtask.attempt) == ("queued", 0)
    async with rig.worker():
        assert await rig.end(project) == "succeeded"
