"""Which files a tool call has written in the project's folder; called by the tools that write.

Walks by descriptors and follows no symlink. The documents that Nexus put there, what begins
with a dot and Python's caches are nobody's work.
"""

import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from nexus.domain.seam import MadeFile
from nexus.tools.files import split_path
from nexus.tools.shelf import FOLDER

MOST_FILES: Final = 100
"""Artifacts of one call; a program that writes more is told so."""
MOST_DEPTH: Final = 18
MOST_ENTRIES: Final = 30_000
_CHUNK: Final = 1024**2
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

Stamp = tuple[int, int, int]
"""What tells that a file was written: its inode, its size and its time of change in ns."""
View = dict[str, Stamp]


def made_file(path: str, data: bytes) -> MadeFile:
    """Describe a file just written at `path` with this content."""
    return MadeFile("/".join(split_path(path)), len(data), sha256(data).hexdigest())


def look_over(folder: Path) -> View:
    """Remember the files of a folder as they are now."""
    return {path: _stamp(found) for path, _, _, found in _files(folder)}


def written_since(folder: Path, before: View) -> list[MadeFile]:
    """List the files that are new or were written since, by path."""
    found = [
        _described(path, name, directory)
        for path, name, directory, stat_of in _files(folder)
        if before.get(path) != _stamp(stat_of)
    ]
    return sorted((one for one in found if one is not None), key=lambda one: one.path)


def made_at(folder: Path, path: str) -> list[MadeFile]:
    """Describe the file at `path`; nothing where there is none."""
    return [
        one
        for here, name, directory, _ in _files(folder)
        if here == path and (one := _described(here, name, directory)) is not None
    ]


def _files(folder: Path) -> Iterator[tuple[str, str, int, os.stat_result]]:
    """Walk plain files: path, name, a descriptor of the directory it is in, and its state."""
    seen = 0
    for place, directories, names, directory in os.fwalk(folder, follow_symlinks=False):
        above = Path(place).relative_to(folder)
        directories[:] = [one for one in directories if _counts(above / one)]
        if len(above.parts) >= MOST_DEPTH:
            directories.clear()
        for name in names:
            seen += 1
            if seen > MOST_ENTRIES:
                return
            try:
                path = (above / name).as_posix()
                path.encode()
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except (OSError, UnicodeEncodeError):
                continue  # it went away meanwhile, or no path of ours can name it
            if stat.S_ISREG(found.st_mode) and _counts(above / name):
                yield path, name, directory, found


def _counts(path: Path) -> bool:
    return not path.name.startswith(".") and path.name != "__pycache__" and path != Path(FOLDER)


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _described(path: str, name: str, directory: int) -> MadeFile | None:
    try:
        descriptor = os.open(name, _FILE, dir_fd=directory)
    except OSError:
        return None
    digest, size = sha256(), 0
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return MadeFile(path, size, digest.hexdigest())
