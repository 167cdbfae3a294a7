"""What of this machine a bubblewrap sandbox sees: the system and the Python in use, read-only.

Never the data directory, a home or a repository: only the exact parts Python needs.
"""

import sys
import sysconfig
from pathlib import Path

_ROOTS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime")
_SMALL_TMPFS = str(64 * 1024**2)
_SCRATCH = tuple(f"/{name}" for name in ("dev/shm", "tmp"))


def interpreter() -> Path:
    """Return the path of the interpreter as it is called inside."""
    return Path(sys.prefix) / "bin" / "python3"


def bare_interpreter() -> Path:
    """Return the interpreter below every virtual environment."""
    return Path(sys.executable).resolve()


def system_arguments() -> list[str]:
    """Return bwrap's arguments for an empty root with the system and Python on it."""
    arguments: list[str] = []
    for root in map(Path, _ROOTS):
        if root.is_symlink():
            arguments += ["--symlink", str(root.readlink()), str(root)]
        elif root.is_dir():
            arguments += ["--ro-bind", str(root), str(root)]
    for file in _FILES:
        arguments += ["--ro-bind-try", file, file]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for place in _SCRATCH:
        arguments += ["--perms", "1777", "--size", _SMALL_TMPFS, "--tmpfs", place]
    # Last, because an installation may lie below a place that was mounted over just now.
    return [*arguments, "--remount-ro", "/dev", *_python_arguments()]


def _python_arguments() -> list[str]:
    """Bind the base installation whole, of a virtual environment only its packages."""
    base = Path(sys.base_prefix)
    places = [place for place in dict.fromkeys((base, base.resolve())) if not _is_in_system(place)]
    if sys.prefix == sys.base_prefix or _is_in_system(Path(sys.prefix)):
        return [part for place in places for part in read_only(place)]
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    places += [Path(sys.prefix) / "pyvenv.cfg", *map(Path, sorted(packages))]
    arguments = [part for place in places for part in read_only(place)]
    link = interpreter()
    return [*arguments, *parents(link), "--symlink", str(bare_interpreter()), str(link)]


def read_only(place: Path) -> list[str]:
    """Bind `place` at its own path."""
    return [*parents(place), "--ro-bind", str(place), str(place)]


def parents(place: Path) -> list[str]:
    """Make the directories above `place`, which bwrap would close to all but its own user."""
    above = [str(parent) for parent in reversed(place.parents) if len(parent.parts) > 1]
    return [part for parent in above for part in ("--perms", "0755", "--dir", parent)]


def _is_in_system(place: Path) -> bool:
    return any(place.is_relative_to(root) for root in _ROOTS)
