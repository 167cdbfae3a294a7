"""The folder of documents in a project's workspace: Nexus puts them there for agents to read.

The workspace is written by code in the sandbox as well, so every file is opened beneath it
by descriptors, no symlink is followed, and whatever stands in the way is replaced. Called
by the worker before an agent runs, in a thread.
"""

import asyncio
import errno
import os
import secrets
import stat
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDER: Final = "documents"
REMEMBERED: Final = 20_000
SETTLED_NS: Final = 100_000_000
CHUNK: Final = 1024**2
TRIES: Final = 3
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Stamp = tuple[int, int, int, int, int]


class Shelf:
    """Checks and places documents; remembers which files it has read, by what the kernel says of them.

    A file's time of change cannot be set by who changes it, so one whose stamp is the same
    has the content it had and is not read again.
    """

    def __init__(self) -> None:
        self.placing = asyncio.Lock()
        self._known: dict[tuple[Path, str], tuple[str, Stamp]] = {}

    def has(self, folder: Path, name: str, digest: str) -> bool:
        """Tell whether the document `name` is in place with the content of this SHA-256."""
        try:
            shelf = _open_shelf(folder)
        except FileNotFoundError:
            return False
        try:
            file = os.open(name, _FILE, dir_fd=shelf)
        except OSError:
            return False  # missing, a symlink, or nothing that can be read: it is put anew
        finally:
            os.close(shelf)
        try:
            return self._is_the_same(file, (folder, name), digest)
        finally:
            os.close(file)

    def _is_the_same(self, file: int, place: tuple[Path, str], digest: str) -> bool:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return False
        stamp = _stamp(found)
        if self._known.get(place) == (digest, stamp):
            return True
        if _digest(file) != digest or _stamp(os.fstat(file)) != stamp:
            return False
        if time.time_ns() - found.st_ctime_ns > SETTLED_NS:
            # A younger file may change once more within the clock's grain.
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[place] = (digest, stamp)
        return True

    def put(self, folder: Path, name: str, content: bytes) -> None:
        """Put a document in place, whole, instead of whatever is there.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        shelf = _open_shelf(folder)
        draft = _aside()
        try:
            with os.fdopen(os.open(draft, _NEW, 0o644, dir_fd=shelf), "wb") as file:
                file.write(content)
            try:
                os.replace(draft, name, src_dir_fd=shelf, dst_dir_fd=shelf)
            except IsADirectoryError:
                os.rename(name, _aside(), src_dir_fd=shelf, dst_dir_fd=shelf)
                os.replace(draft, name, src_dir_fd=shelf, dst_dir_fd=shelf)
        finally:
            _unlink(draft, shelf)  # gone already once it has its name
            os.close(shelf)


def drop(folder: Path, name: str) -> None:
    """Remove a document from its place; nothing happens where there is none.

    Raises:
        OSError: the folder cannot be written.
    """
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        shelf = os.open(FOLDER, _DIRECTORY, dir_fd=top)
    except OSError as wrong:
        if wrong.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return  # an agent removed or replaced it
    finally:
        os.close(top)
    try:
        with suppress(IsADirectoryError):  # an agent's own
            _unlink(name, shelf)
    finally:
        os.close(shelf)


def _open_shelf(folder: Path) -> int:
    """Open the documents' folder, making it, instead of a symlink or file of its name."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(TRIES):
            try:
                return os.open(FOLDER, _DIRECTORY, dir_fd=top)
            except FileNotFoundError:
                os.mkdir(FOLDER, 0o755, dir_fd=top)
            except OSError as wrong:
                if wrong.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                _unlink(FOLDER, top)
        return os.open(FOLDER, _DIRECTORY, dir_fd=top)
    finally:
        os.close(top)


def _aside() -> str:
    return f".nexus-partial-{secrets.token_hex(8)}"


def _unlink(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _digest(file: int) -> str:
    found = sha256()
    while chunk := os.read(file, CHUNK):
        found.update(chunk)
    return found.hexdigest()
