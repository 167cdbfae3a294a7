"""Large values of the journal: in files named by their content, so that rows stay small.

The seam keeps a value here before its row is committed and reads it back at replay; the API
shows it. A file is whole or not there at all.
"""

import asyncio
import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.text import dumps
from nexus.errors import PermanentFailure, TransientFailure

ROW_BYTES: Final = 64 * 1024
"""JSON up to this size stays in its row."""
MOST_BYTES: Final = 64 * 1024**2
PREVIEW_CHARACTERS: Final = 1_000
PARTIAL: Final = ".nexus-partial-"
AGAIN_SECONDS: Final = 5.0
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Kept:
    """A JSON value as its row keeps it.

    `text` is the JSON itself; of a value in a file it is its beginning, as a JSON string,
    and `digest` (hex SHA-256) and `size` (bytes) say which file.
    """

    text: str
    digest: str | None = None
    size: int | None = None


def folder_of_values(data: Path, workspace: str, project_id: str) -> Path:
    """Say where the large values of a project are on a machine with this data directory."""
    return data / "results" / workspace / project_id


class ValueFiles:
    """The files of one project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, value: Json, what: str) -> Kept:
        """Make a value ready for its row; a large one is on disk when this returns.

        Args:
            what: names the value in errors, such as "the result of fetch_url".

        Raises:
            PermanentFailure: it is larger than any record may be.
            TransientFailure: it could not be written; nothing of it is left.
        """
        text = dumps(value)
        if len(text) <= ROW_BYTES // 4:
            return Kept(text)
        content = text.encode()
        if len(content) <= ROW_BYTES:
            return Kept(text)
        if len(content) > MOST_BYTES:
            raise PermanentFailure(
                f"{what} has {len(content):,} bytes, more than the {MOST_BYTES:,} a record may have",
                code="value_too_large",
                hint="write large results to a file of the project and return its name",
            )
        preview = dumps(text[:PREVIEW_CHARACTERS])
        del text
        return Kept(preview, await self._put(content, what), len(content))

    async def _put(self, content: bytes, what: str) -> str:
        try:
            return await asyncio.to_thread(_write, self._folder, content)
        except OSError as wrong:
            is_full = wrong.errno in FULL
            raise TransientFailure(
                f"{what} ({len(content):,} bytes) could not be stored: {wrong.strerror}",
                code="disk_full" if is_full else "value_unwritable",
                hint="free space on the disk of the data directory, or check its permissions",
                retry_after_seconds=AGAIN_SECONDS,
            ) from wrong

    async def read(self, digest: str) -> bytes | None:
        """Return the JSON of a kept value; None when it is not here, or not what was written.

        Raises:
            TransientFailure: the file is there and cannot be read.
        """
        try:
            content = await asyncio.to_thread(self._path(digest).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as wrong:
            raise TransientFailure(
                f"a recorded value could not be read: {wrong.strerror}",
                code="value_unreadable",
                hint="check the data directory",
                retry_after_seconds=AGAIN_SECONDS,
            ) from wrong
        return content if sha256(content).hexdigest() == digest else None

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def _write(folder: Path, content: bytes) -> str:
    """Put a file in place and make sure of it: content, name, and new folders above it."""
    digest = sha256(content).hexdigest()
    _make(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    partial = f"{PARTIAL}{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(partial, _NEW, 0o600, dir_fd=descriptor), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Also over a file of that name: it may be what a bad disk left of it.
        os.replace(partial, f"{digest}.json", src_dir_fd=descriptor, dst_dir_fd=descriptor)
        os.fsync(descriptor)
    finally:
        with suppress(FileNotFoundError):  # it is gone once it has its name
            os.unlink(partial, dir_fd=descriptor)
        os.close(descriptor)
    return digest


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
