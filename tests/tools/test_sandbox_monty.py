"""The fallback interpreter: what it can do, and that it reaches nothing but the folder."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nexus.tools.sandbox.contract import Caps
from nexus.tools.sandbox.monty import MontySandbox
from tests.support.children import Children

Until = Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]

CAPS = Caps(seconds=1.0)


async def test_it_computes_and_uses_files_of_the_folder(folder: Path) -> None:
    (folder / "in.csv").write_text("a,b\n1,2\n")
    result = await MontySandbox(CAPS).run(
        "rows = [line.split(',') for line in open('in.csv').read().splitlines()]\n"
        "print(rows)\nopen('out.txt', 'w').write('done')",
        folder,
    )
    assert (result.stdout, result.exit_code) == ("[['a', 'b'], ['1', '2']]\n", 0)
    assert (folder / "out.txt").read_text() == "done"


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('../../other/prj_2/notes.txt').read()",
        "open('away/notes.txt').read()",
        "open('key').read()",
        "import socket\nsocket.socket()",
        "import subprocess\nsubprocess.run(['id'])",
        "import os\nos.system('id')",
        "import os\nprint(os.environ['PATH'])",
        "x = 'a' * 10**10",
        "def f(: pass",
        "open('new', 'w').write('x' * (70 * 1024**2))",
    ],
)
async def test_what_it_may_not_do_is_an_error_to_read(folder: Path, code: str) -> None:
    (folder / "away").symlink_to(folder.parents[1] / "other" / "prj_2")
    (folder / "key").symlink_to(folder.parents[2] / "secret.key")
    result = await MontySandbox(CAPS).run(code, folder)
    assert result.exit_code == 1
    assert "Error" in result.stderr
    assert "canary" not in result.stdout + result.stderr


async def test_its_time_ends(folder: Path) -> None:
    started = time.monotonic()
    result = await MontySandbox(CAPS).run("print('begun')\nwhile True:\n    pass", folder)
    assert time.monotonic() - started < 10.0
    assert (result.timed_out, result.stdout) == (True, "begun\n")


async def test_its_output_is_capped(folder: Path) -> None:
    result = await MontySandbox(CAPS).run("for _ in range(40):\n    print('x' * 50000)", folder)
    assert result.truncated
    assert len(result.stdout) == 256 * 1024


async def test_cancelling_ends_its_worker(folder: Path, until: Until, children: Children) -> None:
    task = asyncio.create_task(
        MontySandbox(Caps(seconds=30)).run("open('begun', 'w').write('')\nwhile True: pass", folder)
    )
    await until((folder / "begun").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not children())
