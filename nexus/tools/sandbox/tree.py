"""Walks a workspace folder by directory descriptors: measures it, hands it over, deletes it.

Used around sandbox runs. Never follows a symlink, and stands any depth and any mode that
code in a sandbox may have left behind.
"""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_DEPTH: Final = 40
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Extent:
    """What a folder holds: bytes on disk and entries; `too_deep` if it was not walked to its end."""

    bytes: int = 0
    entries: int = 0
    too_deep: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """What to do on the way: give everything to `owner` (uid and gid), stop above `most_entries`."""

    owner: int | None = None
    most_entries: int = 1_000_000
    repair: bool = False


def measure(folder: Path, walk: Walk | None = None) -> Extent:
    """Add up what is in `folder`, giving it to the walk's owner on the way."""
    extent = Extent()
    walk = walk or Walk()
    if walk.owner is not None:
        os.chown(folder, walk.owner, walk.owner, follow_symlinks=False)
    descriptor = _open_directory(str(folder), None, repair=walk.repair)
    if descriptor is not None:
        _measure(descriptor, extent, walk, 0)
    return extent


def _measure(descriptor: int, extent: Extent, walk: Walk, depth: int) -> None:
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if extent.entries >= walk.most_entries:
                    return
                extent.entries += 1
                with contextlib.suppress(FileNotFoundError):
                    _visit(descriptor, entry.name, extent, walk, depth)
    finally:
        os.close(descriptor)


def _visit(descriptor: int, name: str, extent: Extent, walk: Walk, depth: int) -> None:
    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    extent.bytes += found.st_blocks * 512
    if walk.owner is not None and (found.st_uid, found.st_gid) != (walk.owner, walk.owner):
        os.chown(name, walk.owner, walk.owner, dir_fd=descriptor, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode) and walk.repair and not found.st_mode & stat.S_IRUSR:
        _grant(name, descriptor, 0o600)
    if not stat.S_ISDIR(found.st_mode):
        return
    if depth >= MAX_DEPTH:
        extent.too_deep = True
        return
    below = _open_directory(name, descriptor, repair=walk.repair)
    if below is not None:
        _measure(below, extent, walk, depth + 1)


def _open_directory(name: str, parent: int | None, *, repair: bool) -> int | None:
    """Open a directory; with `repair` one of ours that was made unreadable is opened up first."""
    try:
        if repair and not os.access(name, os.R_OK | os.W_OK | os.X_OK, dir_fd=parent):
            _grant(name, parent, 0o700)
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        if error.errno == _LOOP:
            return None
        raise


_LOOP: Final = 40  # ELOOP: the name is a symlink


def _grant(name: str, parent: int | None, mode: int) -> None:
    """Add `mode` to one entry through a descriptor of it, so that no symlink is followed."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return
    try:
        now = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(now):
            Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(now) | mode)
    except PermissionError:
        return
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Delete a folder and all in it, however deep: directories are first lifted to the top."""
    if not folder.is_dir() or folder.is_symlink():
        return
    _grant(str(folder), None, 0o700)
    top = os.open(folder, _DIRECTORY)
    try:
        _empty(top)
    finally:
        os.close(top)
    folder.rmdir()


def _empty(top: int) -> None:
    lifted = 0
    with os.scandir(top) as entries:
        waiting = [entry.name for entry in entries]
    while waiting:
        name = waiting.pop()
        if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=top)
            continue
        below = _open_directory(name, top, repair=True)
        if below is None:
            continue
        try:
            with os.scandir(below) as entries:
                inside = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for child, is_directory in inside:
                if not is_directory:
                    os.unlink(child, dir_fd=below)
                    continue
                lifted += 1
                place = f".nexus-removed-{os.getpid()}-{lifted}"
                _grant(child, below, 0o700)
                os.rename(child, place, src_dir_fd=below, dst_dir_fd=top)
                waiting.append(place)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=top)
