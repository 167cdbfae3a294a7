"""Nothing that code in the bubblewrap sandbox tries reaches beyond its folder."""

import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nexus.tools.sandbox.contract import SandboxResult

Run = Callable[[str], Coroutine[Any, Any, SandboxResult]]

ATTEMPT = """
import ctypes, os, socket, signal, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    result = libc.syscall(number, *arguments)
    return result if result >= 0 else -ctypes.get_errno()
"""


async def test_it_runs_python_in_the_folder_and_keeps_what_it_writes(
    run: Run, folder: Path
) -> None:
    (folder / "table.csv").write_text("a,b\n1,2\n")
    result = await run(
        "import csv\nrows = list(csv.reader(open('table.csv')))\nprint(rows)\n"
        "open('out.txt', 'w').write('done')"
    )
    assert (result.stdout, result.stderr, result.exit_code) == ("[['a', 'b'], ['1', '2']]\n", "", 0)
    assert (folder / "out.txt").read_text() == "done"


async def test_it_reports_errors_and_exit_codes(run: Run) -> None:
    result = await run("import sys\nprint('x')\nsys.exit(7)")
    assert (result.exit_code, result.stdout) == (7, "x\n")
    assert "ZeroDivisionError" in (await run("1/0")).stderr
    killed = await run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert killed.exit_code == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/shadow",
        str(Path("~root").expanduser() / ".ssh"),
        "/home",
        "/var",
        "/sys",
    ],
)
async def test_files_of_the_machine_are_not_there(run: Run, path: str) -> None:
    result = await run(f"import os\nprint(os.path.exists({path!r}))")
    assert result.stdout == "False\n"


async def test_other_folders_and_the_data_directory_are_not_there(run: Run, folder: Path) -> None:
    data = folder.parents[2]
    (folder / "up").symlink_to(data)
    (folder / "key").symlink_to(data / "secret.key")
    places = [str(data), str(data / "secret.key"), "up", "up/secret.key", "key", "../other"]
    result = await run(
        f"import os\nfor place in {places!r}:\n    print(os.path.exists(place))\n"
        "print(os.listdir('..'))\n"
    )
    lines = result.stdout.splitlines()
    assert lines[:-1] == ["False"] * len(places), result
    assert "canary" not in result.stdout


async def test_the_repository_is_not_there(run: Run) -> None:
    result = await run(f"import os\nprint(os.path.exists({__file__!r}))")
    assert result.stdout == "False\n"


@pytest.mark.parametrize(
    "place", ["/", "/usr", "/etc", "/run", "/dev", "/proc/sys/kernel", "/run/nexus"]
)
async def test_the_system_is_read_only(run: Run, place: str) -> None:
    result = await run(
        f"try:\n    open({place!r} + '/written', 'w')\nexcept OSError:\n    print('refused')"
    )
    assert result.stdout == "refused\n"


async def test_the_environment_of_the_launcher_is_nowhere(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "canary-key")
    result = await run(
        "import os, glob\nprint(dict(os.environ))\n"
        "for place in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):\n"
        "    try:\n        print(open(place).read())\n    except OSError:\n        pass\n"
    )
    assert "USER" in result.stdout
    assert "canary" not in result.stdout


async def test_no_process_of_the_machine_is_seen(run: Run) -> None:
    result = await run(
        "import os\nprint(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), os.getuid())"
    )
    pids, user = result.stdout.rsplit(" ", 1)
    assert len(pids.split(",")) <= 3
    assert int(user) != 0


@pytest.mark.parametrize(
    "pid", [-1, 1, os.getpid(), os.getppid()], ids=["all", "first", "own", "parent"]
)
async def test_signals_reach_nobody_outside(run: Run, pid: int) -> None:
    result = await run(
        f"import os, signal\ntry:\n    os.kill({pid}, signal.SIGTERM)\nexcept OSError:\n    pass\n"
    )
    assert result.exit_code in (0, 143)


@pytest.mark.parametrize(
    "family",
    [
        "AF_INET",
        "AF_INET6",
        "AF_NETLINK",
        "AF_PACKET",
        "AF_VSOCK",
        "AF_ALG",
        "AF_BLUETOOTH",
        "AF_CAN",
    ],
)
async def test_sockets_are_refused(run: Run, family: str) -> None:
    result = await run(
        "import socket\nfor kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n"
        f"    try:\n        socket.socket(socket.{family}, kind)\n        print('open')\n"
        "    except OSError as error:\n        print(error.errno)\n"
    )
    assert set(result.stdout.split()) <= {"97", "1"}, result


async def test_sockets_within_the_sandbox_work(run: Run) -> None:
    result = await run(
        "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))\n"
        "import asyncio\nasync def f():\n    return 5\nprint(asyncio.run(f()))"
    )
    assert result.stdout == "b'x'\n5\n", result.stderr


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("unshare user", "272, 0x10000000"),
        ("unshare mount", "272, 0x00020000"),
        ("setns", "308, 0, 0"),
        ("clone with a user namespace", "56, 0x10000011, 0, 0, 0, 0"),
        ("mount", "165, b'none', b'/workspace', b'tmpfs', 0, 0"),
        ("umount", "166, b'/proc', 2"),
        ("open_tree", "428, -100, b'/', 0"),
        ("pivot_root", "155, b'/', b'/'"),
        ("chroot", "161, b'/workspace'"),
        ("ptrace", "101, 16, 1, 0, 0"),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0"),
        ("pidfd_getfd", "438, 3, 0, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("perf_event_open", "298, 0, 0, 0, 0, 0"),
        ("userfaultfd", "323, 1"),
        ("io_uring_setup", "425, 8, 0"),
        ("keyctl", "250, 0, -3, 0"),
        ("add_key", "248, b'user', b'x', b'y', 1, -3"),
        ("kexec_load", "246, 0, 0, 0, 0"),
        ("open_by_handle_at", "304, -100, 0, 0"),
        ("init_module", "175, 0, 0, b''"),
        ("clone3", "435, 0, 0"),
        ("personality", "135, 0x0040000"),
        ("an unknown call", "900, 0"),
    ],
)
async def test_dangerous_calls_of_the_system_fail(run: Run, name: str, call: str) -> None:
    if os.uname().machine != "x86_64":
        call = "435, 0, 0"
    result = await run(ATTEMPT + f"print(syscall({call}))")
    assert result.stdout.strip() in {"-1", "-38"}, f"{name}: {result}"


async def test_calls_in_the_x32_disguise_end_the_program(run: Run) -> None:
    result = await run(ATTEMPT + "syscall(0x40000000 + 101, 0, 0)\nprint('went on')")
    assert "went on" not in result.stdout


async def test_root_cannot_be_regained(run: Run) -> None:
    result = await run(
        "import os\nfor become in (os.setuid, os.setgid):\n"
        "    try:\n        become(0)\n        print('root')\n    except OSError:\n        print('refused')\n"
        "print([line for line in open('/proc/self/status') if line.startswith(('CapEff', 'NoNewPrivs'))])"
    )
    assert "root" not in result.stdout.split("[")[0]
    assert "CapEff:\\t0000000000000000" in result.stdout
    assert "NoNewPrivs:\\t1" in result.stdout


async def test_links_and_devices_made_inside_lead_nowhere(run: Run) -> None:
    result = await run(
        "import os\n"
        "for make in (lambda: os.mknod('disk', 0o60666, os.makedev(8, 0)),\n"
        "             lambda: os.link('/usr/bin/env', 'env'),\n"
        "             lambda: os.link('/run/nexus/main.py', 'main')):\n"
        "    try:\n        make()\n        print('made')\n    except OSError:\n        print('refused')\n"
        "print(os.listdir('.'))\n"
    )
    assert result.stdout == "refused\n" * 3 + "[]\n"


async def test_a_program_of_the_system_gains_nothing_by_its_owner(run: Run) -> None:
    result = await run(
        "import os, shutil, subprocess\nshutil.copy('/usr/bin/id', 'id')\nos.chmod('id', 0o6755)\n"
        "print(subprocess.run(['./id', '-u'], capture_output=True, text=True).stdout)"
    )
    assert result.stdout.strip() not in ("0", "")
