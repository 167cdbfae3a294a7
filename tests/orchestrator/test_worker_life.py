"""The life of a worker process: stopped, frozen, held up by its agents."""

import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from nexus.cli.stack.programs import worker_programs
from nexus.cli.stack.supervisor import Supervisor
from nexus.orchestrator.heartbeat import WORKERS, last_beat
from nexus.orchestrator.membership import look
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.rig import Rig, opened, plan, task
from tests.support.waiting import until


def logged(rig: Rig, event: str, number: int = 0) -> list[dict[str, Any]]:
    """Read the lines of a worker's log that say `event`."""
    lines = (rig.folder / f"worker-{number}.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def freeze(rig: Rig, worker: subprocess.Popen[bytes]) -> None:
    """SIGSTOP a worker at a moment at which it is not writing to SQLite."""
    while True:
        worker.send_signal(signal.SIGSTOP)
        path = (rig.settings.database_url or "").removeprefix("sqlite:///")
        if path.startswith("postgresql"):
            return
        probe = sqlite3.connect(path, timeout=0.05, isolation_level=None)
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            worker.send_signal(signal.SIGCONT)
        else:
            return
        finally:
            probe.close()


@ON_POSTGRESQL
async def test_a_worker_shows_that_it_lives(rig: Rig) -> None:
    worker = rig.worker_process()
    folder = rig.settings.data / WORKERS

    def beat() -> int:
        return last_beat(folder, worker.pid) or 0

    await until(beat, timeout=60)
    first = beat()
    await until(lambda: beat() > first)
    assert last_beat(folder, 1) is None


@ON_SQLITE
async def test_a_stopped_worker_is_killed_by_its_supervisor(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    project = await rig.start(plan(task("a", "gate", instructions=options)))
    said: list[str] = []
    environment = {**os.environ, **rig.environment()}
    async with Supervisor(said.append, first_pause_seconds=0.01) as supervisor:
        programs = worker_programs(rig.settings, environment, tmp_path)
        await supervisor.start(programs, ready_within=None)
        await until((tmp_path / "a.begun").exists, timeout=20)
        stopped = supervisor.pid_of("worker-1")
        opened(tmp_path, ["a"])
        os.kill(stopped, signal.SIGSTOP)
        assert await rig.end(project) == "succeeded"
        assert supervisor.pid_of("worker-1") != stopped
    assert said[0].startswith(f"worker-1 (process {stopped}) gave no sign of life for 3 s")


@ON_POSTGRESQL
async def test_a_zombie_drops_what_it_lost_and_goes_on(rig: Rig, tmp_path: Path) -> None:
    options = json.dumps({"folder": str(tmp_path)})
    lost = await rig.start(plan(task("a", "gate", instructions=options)))
    zombie = rig.worker_process()
    await until((tmp_path / "a.begun").exists, timeout=20)
    freeze(rig, zombie)
    (tmp_path / "a.begun").unlink()
    successor = rig.worker_process()
    await until((tmp_path / "a.begun").exists, timeout=20)
    zombie.send_signal(signal.SIGCONT)
    await until(lambda: logged(rig, "subtask.abandoned"), timeout=20)
    opened(tmp_path, ["a"])
    assert await rig.end(lost) == "succeeded"
    [subtask] = await rig.subtasks(lost)
    assert subtask.attempt == 2
    assert [one.type for one in await rig.events(lost)].count("task.succeeded") == 1

    successor.send_signal(signal.SIGTERM)
    successor.wait(20)
    fresh = await rig.start(plan(task("b", "quick")))
    assert await rig.end(fresh) == "succeeded"
    assert zombie.poll() is None
    assert len((await rig.parts.engine.run(lambda turn: look("nobody"))).others) == 1


@ON_SQLITE
async def test_an_agent_that_holds_up_the_loop_is_named(rig: Rig) -> None:
    project = await rig.start(plan(task("a", "hog", instructions="2.5")))
    rig.worker_process()
    assert await rig.end(project) == "succeeded"
    [subtask] = await rig.subtasks(project)
    [line] = await until(lambda: logged(rig, "loop.lagging"))
    assert line["running"] == subtask.id
    assert line["subtasks"] == [subtask.id]
    assert "sample_agents.py:" in line["at"]
    await until(lambda: logged(rig, "loop.caught_up"))
    assert subtask.attempt == 1
