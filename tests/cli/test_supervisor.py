"""Children are started in order, restarted when they crash, and ended in reverse."""

import os
import signal
import sys
from pathlib import Path

import pytest

from nexus.cli.stack.child import Program
from nexus.cli.stack.supervisor import Supervisor
from nexus.errors import ServiceMissing
from tests.cli.processes import is_alive, read_diary, stand_in, until


async def test_children_end_in_reverse_order(tmp_path: Path) -> None:
    async with Supervisor(lambda _: None) as supervisor:
        for name in ("first", "second", "third"):
            await supervisor.start([stand_in(name, tmp_path)], ready_within=10)
    assert read_diary(tmp_path) == [
        "first started",
        "second started",
        "third started",
        "third told to end",
        "second told to end",
        "first told to end",
    ]


async def test_a_crashed_child_is_started_again_and_said_so(tmp_path: Path) -> None:
    said: list[str] = []
    async with Supervisor(said.append, first_pause_seconds=0.01) as supervisor:
        await supervisor.start([stand_in("api", tmp_path)], ready_within=10)
        before = supervisor.pid_of("api")
        os.kill(before, signal.SIGKILL)
        await until(lambda: read_diary(tmp_path).count("api started") == 2)
        assert supervisor.pid_of("api") != before
    assert said == [
        f"api was ended by signal 9; starting it again in 0.01 s (log: {tmp_path / 'api.log'})"
    ]


async def test_pauses_between_restarts_double(tmp_path: Path) -> None:
    said: list[str] = []
    crashing = Program(
        name="api",
        command=(sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"),
        log=tmp_path / "api.log",
        is_ready=_never,
    )
    async with Supervisor(said.append, first_pause_seconds=0.001) as supervisor:
        await supervisor.start([crashing], ready_within=None)
        await until(lambda: len(said) >= 3)
    assert [line.split(" (")[0] for line in said[:3]] == [
        "api ended with code 3; starting it again in 0.001 s",
        "api ended with code 3; starting it again in 0.002 s",
        "api ended with code 3; starting it again in 0.004 s",
    ]


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    async with Supervisor(lambda _: None) as supervisor:
        await supervisor.start([stand_in("worker-1", tmp_path, on_term="ignore")], ready_within=10)
        pid = supervisor.pid_of("worker-1")
    assert read_diary(tmp_path)[-1] == "worker-1 told to end"
    assert not is_alive(pid)


async def test_a_child_that_dies_while_starting_is_reported_with_its_last_words(
    tmp_path: Path,
) -> None:
    dying = Program(
        name="api",
        command=(sys.executable, "-I", "-S", "-c", "raise SystemExit('no such database')"),
        log=tmp_path / "api.log",
        is_ready=_never,
    )
    async with Supervisor(lambda _: None) as supervisor:
        with pytest.raises(ServiceMissing, match=r"ended with code 1.*no such database") as caught:
            await supervisor.start([dying], ready_within=10)
    assert caught.value.hint == f"read its log: {tmp_path / 'api.log'}"


async def test_the_guardian_way_passes_signals_on_and_ends_with_its_child(tmp_path: Path) -> None:
    async with Supervisor(lambda _: None) as supervisor:
        await supervisor.start([stand_in("api", tmp_path, by_kernel=False)], ready_within=10)
        pid = supervisor.pid_of("api")
    assert read_diary(tmp_path) == ["api started", "api told to end"]
    assert not is_alive(pid)


BEATING = """
import pathlib, time
while True:
    pathlib.Path("{beat}").touch()
    time.sleep(0.02)
"""


def beating(folder: Path) -> Program:
    """A program that touches a file as long as it goes on."""
    beat = folder / "beat"

    def last_beat(_: int) -> int | None:
        return beat.stat().st_mtime_ns if beat.exists() else None

    return Program(
        name="worker-1",
        command=(sys.executable, "-I", "-S", "-c", BEATING.format(beat=beat)),
        log=folder / "worker-1.log",
        is_ready=_never,
        last_beat=last_beat,
        silence_seconds=1.0,
    )


async def test_a_stopped_child_is_killed_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    async with Supervisor(said.append, first_pause_seconds=0.01) as supervisor:
        await supervisor.start([beating(tmp_path)], ready_within=None)
        await until((tmp_path / "beat").exists)
        stopped = supervisor.pid_of("worker-1")
        os.kill(stopped, signal.SIGSTOP)
        await until(lambda: supervisor.pid_of("worker-1") != stopped)
        again = supervisor.pid_of("worker-1")
        beat = (tmp_path / "beat").stat().st_mtime_ns
        await until(lambda: (tmp_path / "beat").stat().st_mtime_ns - beat > 1_500_000_000)
        assert supervisor.pid_of("worker-1") == again
    assert said[0] == f"worker-1 (process {stopped}) gave no sign of life for 1 s; killing it"
    assert said[1].startswith("worker-1 was ended by signal 9; starting it again in 0.01 s")
    assert len(said) == 2


async def _never() -> bool:
    return False
