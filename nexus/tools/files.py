"""Files of a project's folder, opened beneath it without ever following a symlink.

Every path is walked name by name from a descriptor of the folder, so that nothing done
meanwhile by code in the sandbox can lead outside. Refuses what is not a plain file.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from nexus.errors import ToolRefused

READ_BYTES: Final = 256 * 1024
WRITE_BYTES: Final = 5 * 1024**2
LIST_ENTRIES: Final = 1_000
_MOST_NAMES: Final = 20
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PARTIAL: Final = ".nexus-partial-"


@dataclass(frozen=True, slots=True)
class FileContent:
    """The beginning of a file; `size` in bytes is all of it."""

    data: bytes
    size: int

    @property
    def is_truncated(self) -> bool:
        """Whether the file goes on behind `data`."""
        return self.size > len(self.data)


@dataclass(frozen=True, slots=True)
class FileNote:
    """One file or directory of a listing; `path` is relative to the project's folder."""

    path: str
    kind: str
    size: int


def read_file(folder: Path, path: str, *, most_bytes: int = READ_BYTES) -> FileContent:
    """Read the first `most_bytes` of a file.

    Raises:
        ToolRefused: the path leads outside, or there is no plain file at it.
    """
    file, size = open_file(folder, path)
    with file:
        return FileContent(file.read(most_bytes), size)


def open_file(folder: Path, path: str) -> tuple[BinaryIO, int]:
    """Open a plain file and tell its size in bytes.

    Raises:
        ToolRefused: the path leads outside, or there is no plain file at it.
    """
    names = split_path(path)
    if not names:
        raise ToolRefused(f"{path!r} is the folder itself; name a file in it")
    with _explained(path), _directory(folder, names[:-1]) as parent:
        descriptor = os.open(names[-1], _FILE, dir_fd=parent)
        file = os.fdopen(descriptor, "rb")
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            file.close()
        _require_plain(path, found)
        return file, found.st_size


def write_file(folder: Path, path: str, data: bytes) -> None:
    """Write a file whole or not at all, making the directories above it.

    Raises:
        ToolRefused: the path leads outside, or something else than a file is there.
    """
    names = split_path(path)
    if not names:
        raise ToolRefused(f"{path!r} is the folder itself; name a file in it")
    if len(data) > WRITE_BYTES:
        raise ToolRefused(f"{len(data)} bytes are too much; a file may have {WRITE_BYTES}")
    folder.mkdir(parents=True, exist_ok=True)
    with _explained(path), _directory(folder, names[:-1], make=True) as parent:
        with contextlib.suppress(FileNotFoundError):
            _require_plain(path, os.stat(names[-1], dir_fd=parent, follow_symlinks=False))
        _replace(parent, names[-1], data)


def list_files(folder: Path, path: str = ".") -> tuple[list[FileNote], bool]:
    """List what is below `path`, directories first opened last; True if there was more.

    Raises:
        ToolRefused: the path leads outside, or there is no directory at it.
    """
    names = split_path(path)
    if not names and not folder.is_dir():
        return [], False
    notes: list[FileNote] = []
    waiting = [names]
    while waiting and len(notes) <= LIST_ENTRIES:
        here = waiting.pop(0)
        try:
            with _explained(path), _directory(folder, here) as descriptor:
                found = _notes(descriptor, here)
        except ToolRefused:
            if here == names:
                raise
            continue
        notes += found
        waiting += [note.path.split("/") for note in found if note.kind == "directory"]
    return sorted(notes[:LIST_ENTRIES], key=lambda note: note.path), len(notes) > LIST_ENTRIES


def split_path(path: str) -> list[str]:
    """Return the names of a relative path; `.` is the folder itself.

    Raises:
        ToolRefused: the path is absolute, goes up, or cannot name a file.
    """
    if "\0" in path or len(os.fsencode(path.encode("utf-8", "replace").decode())) > 1024:
        raise ToolRefused("the path is too long or contains a NUL character")
    if path.startswith(("/", "~", "\\")):
        raise ToolRefused(f"{path!r} is not inside the project's folder: use a relative path")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names:
        raise ToolRefused(f"{path!r} goes up with '..': use a path inside the project's folder")
    if len(names) > _MOST_NAMES or any(
        len(name.encode("utf-8", "replace")) > 200 for name in names
    ):
        raise ToolRefused(f"{path[:80]!r} is too long or too deep")
    if any(name.startswith(_PARTIAL) for name in names):
        raise ToolRefused(f"{path!r} is a name that Nexus keeps for itself")
    return names


@contextlib.contextmanager
def _directory(folder: Path, names: list[str], *, make: bool = False) -> Iterator[int]:
    """Open the directory at `names` below `folder`, one name after the other."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=descriptor)
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(parent: int, name: str, data: bytes) -> None:
    partial = f"{_PARTIAL}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(partial, flags, 0o644, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(partial, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it is gone once it has its name
            os.unlink(partial, dir_fd=parent)


def _notes(descriptor: int, above: list[str]) -> list[FileNote]:
    notes: list[FileNote] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if len(notes) > LIST_ENTRIES or entry.name.startswith(_PARTIAL):
                continue
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                readable = entry.name.encode("utf-8", "replace").decode()
                path = "/".join([*above, readable])
                notes.append(FileNote(path, _kind(found.st_mode), found.st_size))
    return notes


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _require_plain(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ToolRefused(f"{path!r} is not a plain file")


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Say what an error of the operating system means for `path`, without a path of this machine."""
    try:
        yield
    except OSError as error:
        raise ToolRefused(
            f"{path!r}: {_EXPLAINED.get(error.errno or 0, 'it cannot be used')}"
        ) from None
    except UnicodeEncodeError:
        raise ToolRefused("the path is not text that a file name can have") from None


_EXPLAINED: Final = {
    errno.ENOENT: "there is no such file; list_files shows what there is",
    errno.ENOTDIR: "a part of this path is not a directory (symlinks are not followed)",
    errno.EISDIR: "this is a directory",
    errno.ELOOP: "symlinks are not followed",
    errno.ENXIO: "this is not a plain file",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
    errno.EACCES: "it may not be read or written",
}
