"""The log file of one child: rotated by size when the child starts, read back when it fails."""

import os
from pathlib import Path
from typing import Final

ROTATE_BYTES: Final = 5_000_000
TAIL_BYTES: Final = 8_192


def open_log(path: Path) -> int:
    """Open `path` for appending, private to the user; a file that grew large becomes `<path>.1`.

    Returns:
        A file descriptor the caller closes once the child has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > ROTATE_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def last_line(path: Path) -> str:
    """Return the last line that is not blank, with the line its indent goes on from, or ''."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    words: list[str] = []
    for line in reversed([line for line in lines if line.strip()]):
        words.insert(0, line.strip())
        if not line.startswith(" "):
            break
    return "; ".join(words).removeprefix("nexus: ")
