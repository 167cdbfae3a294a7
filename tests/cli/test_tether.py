"""No child outlives a supervisor that is killed, by either way of tethering."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.cli.stack.child import TETHER
from nexus.cli.stack.tether import ORPHANED
from tests.cli.processes import children_of, is_alive, until_now

SUPERVISOR = """
import asyncio, dataclasses, pathlib, sys
from nexus.cli.stack.supervisor import Supervisor
from tests.cli.processes import stand_in

async def supervise(folder, by_kernel):
    async with Supervisor(print) as supervisor:
        for name in ("valkey", "api", "worker-1"):
            program = stand_in(name, folder, on_term="ignore", by_kernel=by_kernel)
            await supervisor.start([program], ready_within=10)
            print(supervisor.pid_of(name), flush=True)
        await asyncio.Event().wait()

asyncio.run(supervise(pathlib.Path(sys.argv[1]), sys.argv[2] == "kernel"))
"""


@pytest.mark.parametrize("way", ["kernel", "pipe"])
def test_kill_9_of_the_supervisor_leaves_no_child(tmp_path: Path, way: str) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), way], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor.stdout as lines:
        pids = [int(next(lines)) for _ in range(3)]
    family = pids + [child for pid in pids for child in children_of(pid)]
    assert all(is_alive(pid) for pid in family)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    until_now(lambda: not any(is_alive(pid) for pid in family))


def test_a_child_whose_parent_has_already_gone_does_not_start(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    stranger = str(os.getppid())
    code = subprocess.run(
        [
            *(sys.executable, "-I", "-S", str(TETHER), "kernel", str(int(signal.SIGKILL))),
            *(stranger, sys.executable, "-c", f"open({str(mark)!r}, 'w')"),
        ],
        check=False,
    ).returncode
    assert code == ORPHANED
    assert not mark.exists()


def test_the_guardian_answers_with_the_childs_exit_code() -> None:
    guardian = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(TETHER), "pipe", str(int(signal.SIGKILL)), "0"),
            *(sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"),
        ],
        stdin=subprocess.PIPE,
    )
    assert guardian.wait(10) == 7
    assert guardian.stdin is not None
    guardian.stdin.close()
