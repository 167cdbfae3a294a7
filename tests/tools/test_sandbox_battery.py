"""The escape battery: every attack runs on every sandbox there is, and none gets anywhere.

Each attack prints ESCAPED where it got through; what it was after is looked at from outside
as well. Attacks that name something a backend does not have are refused by it, which counts.
"""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox
from nexus.tools.sandbox.contract import Caps, Sandbox, SandboxResult
from nexus.tools.sandbox.monty import MontySandbox
from tests.support.children import Children

CAPS = Caps(seconds=8, memory_bytes=1024**3, folder_bytes=32 * 1024**2, folder_entries=500)
BACKENDS = ("bubblewrap", "monty")
RUNS = 200
MOST_OVERSHOOT_SECONDS = 0.5

ATTACKS = {
    "a file of the machine": "print('ESCAPED', open('/etc/shadow').read())",
    "the data directory": "print('ESCAPED', open('{data}/secret.key').read())",
    "the data directory through dots": "print('ESCAPED', open('../../../secret.key').read())",
    "another tenant's folder": "print('ESCAPED', open('{other}/notes.txt').read())",
    "writing to another tenant": "open('{other}/planted', 'w').write('x')",
    "a listing above the folder": (
        "import os\nfor place in ('..', '../..', '../../..', '{data}'):\n"
        "    for name in os.listdir(place):\n"
        "        if name in ('other', 'secret.key', 'prj_2'):\n            print('ESCAPED', name)"
    ),
    "a symlink of its own": (
        "import os\nos.symlink('{data}/secret.key', 'mine')\nprint('ESCAPED', open('mine').read())"
    ),
    "a symlink to the parent": (
        "import pathlib\npathlib.Path('up').symlink_to('..')\n"
        "print('ESCAPED', open('up/../../secret.key').read())"
    ),
    "a symlink that was there": "print('ESCAPED', open('planted-link').read())",
    "a hard link": "import os\nos.link('{data}/secret.key', 'hard')\nprint('ESCAPED')",
    "renaming what is outside": "import os\nos.rename('{data}/secret.key', 'stolen')\nprint('ESCAPED')",
    "a path with a NUL": "print('ESCAPED', open('/etc/passwd\\0.txt').read())",
    "the environment": ("import os\nprint(dict(os.environ), os.getenv('GROQ_API_KEY'))"),
    "the environment in /proc": (
        "import os\nfor pid in [*os.listdir('/proc'), 'self', '{pid}', '1']:\n    try:\n"
        "        print(open('/proc/' + pid + '/environ').read())\n    except OSError:\n        pass"
    ),
    "the roots in /proc": (
        "import os\nfor pid in ('1', 'self', 'thread-self', '{pid}'):\n"
        "    for door in ('root', 'cwd'):\n        for way in ('', '/..', '/../../..'):\n"
        "            try:\n                print(open('/proc/' + pid + '/' + door + way +"
        " '{data}/secret.key').read())\n            except OSError:\n                pass"
    ),
    "descriptors left open": (
        "import os\nfor number in range(3, 256):\n    try:\n"
        "        os.fstat(number)\n        print('ESCAPED', number)\n    except OSError:\n        pass"
    ),
    "memory of process 1": "print('ESCAPED', open('/proc/1/mem', 'rb').read(1))",
    "the kernel's trigger": "open('/proc/sysrq-trigger', 'w').write('h')\nprint('ESCAPED')",
    "the kernel's settings": (
        "open('/proc/sys/kernel/core_pattern', 'w').write('|/workspace/x')\nprint('ESCAPED')"
    ),
    "a shell": "import os\nos.system('cat {data}/secret.key; touch {data}/touched')",
    "a subprocess": (
        "import subprocess\nprint(subprocess.run(['cat', '{data}/secret.key'],"
        " capture_output=True).stdout)"
    ),
    "a signal to whoever started it": (
        "import os, signal\nos.kill({pid}, signal.SIGUSR1)\nprint('ESCAPED')"
    ),
    "a signal to a group": "import os, signal\nos.killpg({group}, signal.SIGUSR1)\nprint('ESCAPED')",
    "the limits of another process": (
        "import resource\nresource.prlimit({pid}, resource.RLIMIT_NOFILE, (3, 3))\nprint('ESCAPED')"
    ),
    "the priority of another process": (
        "import os\nos.setpriority(os.PRIO_PROCESS, {pid}, 19)\nprint('ESCAPED')"
    ),
    "raising its own limits": (
        "import resource\nhard = resource.getrlimit(resource.RLIMIT_NPROC)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))\nprint('ESCAPED')"
    ),
    "ptrace": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "if libc.ptrace(16, {pid}, 0, 0) == 0 or libc.ptrace(0, 0, 0, 0) == 0:\n"
        "    print('ESCAPED')"
    ),
    "a mount": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "if libc.mount(b'/', b'/workspace', None, 4096, None) == 0:\n    print('ESCAPED')"
    ),
    "a mount in a namespace of its own": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "if libc.unshare(0x10020000) == 0 or libc.unshare(0x20000) == 0:\n    print('ESCAPED')"
    ),
    "a namespace of process 1": (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
        "if libc.setns(os.open('/proc/1/ns/net', 0), 0) == 0:\n    print('ESCAPED')"
    ),
    "a device": (
        "import os\nfor name in ('sda', 'vda', 'nvme0n1', 'mem', 'kmsg', 'kvm', 'fuse'):\n"
        "    if os.path.exists('/dev/' + name):\n        print('ESCAPED', name)"
    ),
    "shared memory of the machine": (
        "import os\nif '{shared}' in os.listdir('/dev/shm'):\n    print('ESCAPED')"
    ),
    "a socket of the machine without a file": (
        "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{abstract}')\nprint('ESCAPED')"
    ),
    "loopback": (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nprint('ESCAPED')"
    ),
    "a socket of every family": (
        "import socket\nfor family in range(64):\n"
        "    for kind in (1, 2, 3, 5):\n        for protocol in (0, 1, 16):\n"
        "            try:\n                socket.socket(family, kind, protocol).close()\n"
        "            except OSError:\n                continue\n"
        "            if family != socket.AF_UNIX:\n                print('ESCAPED', family)"
    ),
    "a name looked up": "import socket\nprint('ESCAPED', socket.getaddrinfo('example.org', 80))",
    "the interpreter's own depths": (
        "for kind in ().__class__.__base__.__subclasses__():\n"
        "    if kind.__name__ == 'BuiltinImporter':\n"
        "        posix = kind.load_module('posix')\n"
        "        print(posix.read(posix.open('{data}/secret.key', 0), 99))"
    ),
    "another process's memory": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "if libc.process_vm_readv({pid}, 0, 0, 0, 0, 0) == 0:\n    print('ESCAPED')"
    ),
}


@pytest.fixture(params=BACKENDS)
def sandbox(request: pytest.FixtureRequest, binary: Path) -> Sandbox:
    """Each sandbox, with short caps."""
    return BubblewrapSandbox(binary, CAPS) if request.param == "bubblewrap" else MontySandbox(CAPS)


@pytest.fixture
def targets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What the attacks are after: files, a secret, sockets that answer, shared memory."""
    monkeypatch.setenv("GROQ_API_KEY", "canary-key")
    data = folder.parents[2]
    (folder / "planted-link").symlink_to(data / "secret.key")
    abstract = f"nexus-battery-{os.getpid()}"
    with (
        tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="nexus-battery-") as shared,
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.socket(socket.AF_UNIX) as nameless,
    ):
        nameless.bind(f"\0{abstract}")
        nameless.listen()
        yield {
            "data": data,
            "other": data / "workspaces" / "other" / "prj_2",
            "pid": os.getpid(),
            "group": os.getpgrp(),
            "port": door.getsockname()[1],
            "abstract": abstract,
            "shared": Path(shared.name).name,
        }


def below(data: Path, folder: Path) -> dict[str, bytes]:
    """Return every file of the data directory outside the project's own folder."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and not path.is_relative_to(folder)
    }


def left_open() -> int:
    """Count the descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def everything_below(folder: Path) -> list[Path]:
    """List all files and directories below a folder."""
    return sorted(folder.rglob("*"))


async def test_no_attack_of_the_battery_gets_anywhere(
    sandbox: Sandbox, folder: Path, targets: dict[str, object]
) -> None:
    data = folder.parents[2]
    before = below(data, folder)
    niceness = os.getpriority(os.PRIO_PROCESS, 0)

    async def attack(code: str) -> SandboxResult:
        # Replaced one by one: the attacks have braces of their own.
        for name, value in targets.items():
            code = code.replace("{" + name + "}", str(value))
        return await sandbox.run(code, folder)

    told = await asyncio.gather(*(attack(code) for code in ATTACKS.values()))
    escaped = {
        name: said
        for name, said in zip(ATTACKS, told, strict=True)
        if "ESCAPED" in said.stdout or "canary-" in said.stdout + said.stderr
    }
    assert escaped == {}
    assert below(data, folder) == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == niceness


async def test_runs_of_two_tenants_at_once_do_not_meet(sandbox: Sandbox, folder: Path) -> None:
    theirs = folder.parents[1] / "other" / "prj_2"
    code = (
        "import os\nopen('mine.txt', 'w').write('{who}')\n"
        "print(sorted(os.listdir('.')), open('mine.txt').read())"
    )
    one, two = await asyncio.gather(
        sandbox.run(code.replace("{who}", "one"), folder),
        sandbox.run(code.replace("{who}", "two"), theirs),
    )
    assert one.stdout == "['mine.txt'] one\n", one
    assert two.stdout == "['mine.txt', 'notes.txt'] two\n", two


async def test_many_runs_leave_no_process_no_descriptor_and_no_file(
    sandbox: Sandbox,
    folder: Path,
    children: Children,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    await sandbox.run("print('first')", folder)  # what is loaded for the first run stays
    descriptors, files = left_open(), everything_below(tmp_path)
    results = await asyncio.gather(*(sandbox.run("print('ok')", folder) for _ in range(RUNS)))
    assert {result.stdout for result in results} == {"ok\n"}
    assert children() == set()
    assert left_open() <= descriptors
    assert everything_below(tmp_path) == files


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "def deeper(n):\n    return deeper(n - 1) + deeper(n - 1) if n else 0\ndeeper(200)",
        "import re\nre.match('(a+)+$', 'a' * 200 + 'b')\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
        "text = 'x'\nwhile True: text = (text * 2)[:10_000_000]",
    ],
)
async def test_the_deadline_is_kept_within_half_a_second(
    sandbox: Sandbox, folder: Path, code: str
) -> None:
    assert isinstance(sandbox, BubblewrapSandbox | MontySandbox)
    sandbox.caps = replace(CAPS, seconds=0.5)
    took = []
    for _ in range(3):  # another program's load is not the sandbox's: the best counts
        started = time.monotonic()
        result = await sandbox.run(code, folder)
        took.append(time.monotonic() - started - 0.5)
        assert result.timed_out, result
        if took[-1] <= MOST_OVERSHOOT_SECONDS:
            break
    assert min(took) <= MOST_OVERSHOOT_SECONDS
