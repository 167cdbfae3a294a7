"""bwrap's command line for one run: namespaces, mounts, filter, launcher and limits."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.tools.sandbox.contract import Caps
from nexus.tools.sandbox.system import bare_interpreter, interpreter, parents, system_arguments

_LAUNCHER: Final = "/run/nexus/launch.py"
_PROGRAM: Final = "/run/nexus/main.py"
_CACHE_BYTES: Final = str(16 * 1024**2)
_ENVIRONMENT: Final = {
    "HOME": "/workspace",
    "USER": "sandbox",
    "LOGNAME": "sandbox",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": "/workspace",
    "PYTHONSAFEPATH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/run/cache",
    "XDG_CACHE_HOME": "/run/cache",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Launch:
    """One run about to start.

    `owner` is the uid inside, 0 to stay who we are; `files` has descriptors of the `filter`,
    the `launcher` and the `program`; `room_bytes` are left of the folder's quota.
    """

    folder: Path
    owner: int
    caps: Caps
    files: Mapping[str, int]
    room_bytes: int


def user_for(folder: Path) -> int:
    """Return the user id (and group id) inside for runs over `folder`; 0 when we are not root.

    Far above real users and the ranges of containers, unless this process is root only inside
    a container whose ids end earlier.
    """
    if os.getuid() != 0:
        return 0
    number = int.from_bytes(hashlib.sha256(os.fsencode(folder)).digest()[:4], "big")
    inside, _, length = map(int, Path("/proc/self/uid_map").read_text().split()[:3])
    if inside + length > 2_000_000_000:
        return 1_900_000_000 + number % 90_000_000
    return 60_000 + number % 5_000


def arguments_for(launch: Launch, status: int) -> list[str]:
    """Return everything behind `bwrap`; `status` is where it tells the pid of its process 1."""
    arguments = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--hostname", "sandbox", "--new-session"]
    arguments += ["--die-with-parent", "--as-pid-1", "--info-fd", str(status)]
    arguments += ["--cap-drop", "ALL"]
    if launch.owner:
        arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    arguments += system_arguments()
    arguments += parents(Path(_LAUNCHER))
    arguments += ["--perms", "1777", "--size", _CACHE_BYTES, "--tmpfs", "/run/cache"]
    for name, place in (("launcher", _LAUNCHER), ("program", _PROGRAM)):
        arguments += ["--perms", "0444", "--ro-bind-data", str(launch.files[name]), place]
    arguments += ["--bind", str(launch.folder.absolute()), "/workspace", "--remount-ro", "/"]
    arguments += ["--clearenv"]
    for name, value in _ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    arguments += ["--chdir", "/", "--seccomp", str(launch.files["filter"]), "--"]
    arguments += [str(bare_interpreter()), "-I", "-S", "-B", _LAUNCHER, str(launch.owner)]
    return [*arguments, str(interpreter()), _PROGRAM, *_limits(launch)]


def _limits(launch: Launch) -> list[str]:
    caps = launch.caps
    values = {
        "RLIMIT_AS": caps.memory_bytes,
        "RLIMIT_FSIZE": min(caps.file_bytes, launch.room_bytes),
        "RLIMIT_NPROC": caps.processes,
        "RLIMIT_NOFILE": caps.open_files,
        "RLIMIT_CPU": int(caps.seconds) + 1,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 64 * 1024,
        "RLIMIT_MSGQUEUE": 64 * 1024,
        "RLIMIT_STACK": 8 * 1024**2,
    }
    return [f"{name}={value}" for name, value in values.items()]
