"""A run in the bubblewrap sandbox ends in time, stays small, and leaves nothing behind."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.errors import Misconfigured, ToolRefused
from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox
from nexus.tools.sandbox.choosing import choose_sandbox
from nexus.tools.sandbox.contract import Caps, SandboxResult
from nexus.tools.sandbox.tree import measure, remove
from tests.support.children import Children

Run = Callable[[str], Coroutine[Any, Any, SandboxResult]]
Until = Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def names_in(folder: Path) -> list[str]:
    """Return the names in a directory."""
    return [entry.name for entry in folder.iterdir()]


def processes_with(mark: str) -> list[int]:
    """Return the processes of the machine that have `mark` on their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import signal\nwhile True: signal.pause()",
        "import signal\n"
        "for n in range(1, 32):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except OSError:\n        pass\n"
        "signal.pause()",
        "import os, signal\nfor _ in range(5): os.fork()\nos.setsid() if os.getpid() % 2 else 0\nsignal.pause()",
    ],
)
async def test_the_deadline_is_kept(
    bubblewrap: BubblewrapSandbox, folder: Path, code: str, children: Children
) -> None:
    sandbox = BubblewrapSandbox(bubblewrap.binary, replace(bubblewrap.caps, seconds=1.0))
    started = time.monotonic()
    result = await sandbox.run(code, folder)
    assert time.monotonic() - started < 10.0
    assert result.timed_out
    assert result.remark == "it was ended after 1 seconds"
    assert children() == set()


async def test_a_background_process_ends_with_the_run(run: Run, folder: Path) -> None:
    result = await run(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()', 'nexus-left-over'],\n"
        "                 start_new_session=True)\nprint('ended')"
    )
    assert result.stdout == "ended\n"
    assert processes_with("nexus-left-over") == []


async def test_a_fork_bomb_is_bounded(run: Run) -> None:
    result = await run(
        "import os, signal\nmade = 0\ntry:\n    while made < 5000:\n        if os.fork() == 0:\n"
        "            signal.pause()\n            os._exit(0)\n        made += 1\n"
        "except OSError:\n    pass\nprint(made)"
    )
    assert 0 < int(result.stdout) < 100, result


async def test_memory_is_bounded(run: Run) -> None:
    result = await run("try:\n    x = bytearray(3 * 1024**3)\nexcept MemoryError:\n    print('no')")
    assert result.stdout == "no\n"


async def test_an_output_flood_is_cut(run: Run) -> None:
    result = await run("import sys\nfor _ in range(40): sys.stdout.write('x' * 50_000)")
    assert result.truncated
    assert result.exit_code == 0
    assert len(result.stdout) == 256 * 1024


async def test_an_endless_output_ends_the_run(run: Run) -> None:
    result = await run("import os\nwhile True: os.write(2, b'y' * 65536)")
    assert result.truncated
    assert result.remark is not None
    assert "printed" in result.remark
    assert not result.timed_out


async def test_a_file_cannot_grow_over_its_cap(run: Run, folder: Path) -> None:
    await run("import os\nwith open('big', 'wb') as f:\n    while True: f.write(bytes(1 << 20))")
    assert (folder / "big").stat().st_size <= 32 * 1024**2


async def test_many_files_end_the_run_and_block_the_next(run: Run, folder: Path) -> None:
    result = await run(
        "import signal\nfor n in range(2000): open(f'f{n}', 'w').write('x')\nsignal.pause()"
    )
    assert result.remark is not None
    assert "files" in result.remark
    with pytest.raises(ToolRefused, match="delete files"):
        await run("print(1)")


async def test_what_code_hides_can_be_measured_and_deleted(
    run: Run, bubblewrap: BubblewrapSandbox, folder: Path
) -> None:
    await run(
        "import os\nos.mkdir('shut')\nopen('shut/x', 'w').write('y' * 10000)\nos.chmod('shut/x', 0)\n"
        "os.chmod('shut', 0)\nos.symlink('/', 'out')\nos.mkfifo('pipe')\n"
        "for _ in range(300):\n    os.mkdir('deep')\n    os.chdir('deep')\n"
    )
    extent = measure(folder)
    assert extent.too_deep
    remove(folder)
    assert folder.name not in names_in(folder.parent)


async def test_cancelling_the_task_ends_the_sandbox(
    run: Run, folder: Path, until: Until, children: Children
) -> None:
    before = descriptors()
    task = asyncio.create_task(
        run("import os, signal\nopen('started', 'w').close()\nos.fork()\nsignal.pause()")
    )
    await until((folder / "started").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == set()
    assert descriptors() <= before


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 13])
async def test_cancelling_at_any_moment_leaves_nothing(
    run: Run, turns: int, until: Until, children: Children
) -> None:
    task = asyncio.create_task(run("import signal\nsignal.pause()"))
    for _ in range(turns):
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: children() == set())


async def test_a_launcher_that_cannot_start_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr("nexus.tools.sandbox.choosing._find_binary", lambda: broken)
    with pytest.raises(Misconfigured, match="No permissions to create a new namespace"):
        await choose_sandbox("bubblewrap")
    assert (await choose_sandbox("auto", caps=Caps())).name == "monty"
