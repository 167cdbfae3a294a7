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
    arguments += _python_arguments()
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for place in _SCRATCH:
        arguments += ["--perms", "1777", "--size", _SMALL_TMPFS, "--tmpfs", place]
    return [*arguments, "--remount-ro", "/dev"]


def _python_arguments() -> list[str]:
    """Bind the base installation whole, of a virtual environment only its packages."""
    base = Path(sys.base_prefix)
    bound = [place for place in dict.fromkeys((base, base.resolve())) if not _is_in_system(place)]
    arguments = [part for place in bound for part in ("--ro-bind", str(place), str(place))]
    if sys.prefix == sys.base_prefix:
        return arguments
    prefix = Path(sys.prefix)
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    for place in (str(prefix / "pyvenv.cfg"), *sorted(packages)):
        arguments += ["--ro-bind", place, place]
    return [*arguments, "--symlink", str(bare_interpreter()), str(interpreter())]


def _is_in_system(place: Path) -> bool:
    return any(place.is_relative_to(root) for root in _ROOTS)
