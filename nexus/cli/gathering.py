"""What `nexus documents add` is to send: files, those below folders, and URLs; what it leaves out.

Nothing is sent from here, and of a file only its first bytes are read.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nexus.errors import InvalidInput

MOST_BYTES: Final = 50_000_000
"""As the API takes; a larger file is refused before it is sent."""
HEAD_BYTES: Final = 8_192
TITLE_LENGTH: Final = 200
SOURCE_LENGTH: Final = 500
CACHES: Final = frozenset(
    ["__pycache__", "node_modules", "venv", "site-packages", "target", "dist", "build"]
)


@dataclass(frozen=True, slots=True)
class Item:
    """One document to be: a file, or what is at a URL; `source` where its name would not do."""

    title: str
    file: Path | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one of them did not get into memory."""

    title: str
    message: str
    hint: str | None = None


@dataclass(slots=True)
class Gathered:
    """What is to be sent, what cannot be, and how many files below folders were left out, why."""

    items: list[Item] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def gather(places: Sequence[str]) -> Gathered:
    """Find the documents that files, folders and URLs name."""
    found = Gathered()
    names = Counter(Path(place).name for place in places if not is_url(place))
    for place in places:
        path = Path(place)
        if is_url(place):
            found.items.append(Item(place))
        elif path.is_dir():
            _walk(path, found)
        elif not path.is_file():
            hint = "name a file or a folder that can be read, or a URL"
            found.faults.append(Fault(place, f"{place} is not a file", hint))
        elif names[path.name] > 1:
            _take(found, path, path.as_posix())
        else:
            _take(found, path, None)
    return found


def is_url(place: str) -> bool:
    """Say whether a place is on the web."""
    return place.lower().startswith(("http://", "https://"))


def _walk(folder: Path, found: Gathered) -> None:
    """Take the files below a folder, under its name."""
    root = folder.resolve()
    for file in _files(root, found.skipped):
        reason = _left_out(file)
        if reason:
            found.skipped[reason] += 1
        else:
            _take(found, file, (root.name / file.relative_to(root)).as_posix())


def _files(root: Path, skipped: Counter[str]) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        hidden = [one for one in folders if one.startswith(".")]
        caches = [one for one in folders if one in CACHES]
        skipped["hidden"] += len(hidden)
        skipped["folders of caches and builds"] += len(caches)
        folders[:] = sorted(set(folders) - {*hidden, *caches})
        yield from (Path(place, name) for name in sorted(files))


def _left_out(file: Path) -> str | None:
    """Say why a file below a folder is no document: nobody named it."""
    if file.name.startswith("."):
        return "hidden"
    if file.is_symlink() or not file.is_file():
        return "links and devices"
    from nexus.memory.media import recognise

    try:
        with file.open("rb") as content:
            recognise(file.name, None, content.read(HEAD_BYTES))
    except InvalidInput:
        return "empty or of a kind that is not read"
    except OSError:
        return "not to be opened"
    return None


def _take(found: Gathered, file: Path, name: str | None) -> None:
    title = name or file.name
    size = file.stat().st_size
    if size > MOST_BYTES:
        message = f"{title} has {size / 1e6:,.1f} MB, more than the 50 MB a document may have"
        found.faults.append(Fault(title, message, "split it"))
        return
    source = name[-SOURCE_LENGTH:] if name else None
    found.items.append(Item(title[-TITLE_LENGTH:], file, source))
