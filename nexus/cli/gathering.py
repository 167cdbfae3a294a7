"""What `nexus documents add` is to send: files, those below folders, and URLs; what it leaves out.

A file below a folder is known by its path in it, one that is named by where it lies: files of
one name are different documents, and the same file again is the next edition of its own.

Nothing is sent from here, and of a file only its first bytes are read.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """One document to be: a file, which its `source` tells from others, or what is at a URL."""

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
    names = _count_names(Path(place) for place in places if not is_url(place))
    for place in places:
        path = Path(place)
        if is_url(place):
            found.items.append(Item(place))
        elif path.is_dir():
            _walk(path, found, is_alone=names[path.resolve().name] < 2)
        elif not path.is_file():
            hint = "name a file or a folder that can be read, or a URL"
            found.faults.append(Fault(place, f"{place} is not a file", hint))
        else:
            _take(found, _named(path, names))
    return found


def items_of(files: Sequence[Path]) -> list[Item]:
    """Say which documents files are that were named one by one."""
    names = _count_names(files)
    return [_named(file, names) for file in files]


def _count_names(paths: Iterable[Path]) -> Counter[str]:
    return Counter(path.resolve().name if path.is_dir() else path.name for path in paths)


def _named(file: Path, names: Mapping[str, int]) -> Item:
    """A link is known by where it lies, not by where it leads at the moment."""
    title = file.as_posix() if names[file.name] > 1 else file.name
    return _item(title, file, (file.parent.resolve() / file.name).as_posix())


def _item(title: str, file: Path, source: str) -> Item:
    return Item(title[-TITLE_LENGTH:], file, source[-SOURCE_LENGTH:])


def is_url(place: str) -> bool:
    """Say whether a place is on the web."""
    return place.lower().startswith(("http://", "https://"))


def _walk(folder: Path, found: Gathered, *, is_alone: bool) -> None:
    """Take the files below a folder, under its name; under its path beside another of that name."""
    root = folder.resolve()
    name = Path(root.name) if is_alone else root
    for file in _files(root, found.skipped):
        reason = _left_out(file)
        if reason:
            found.skipped[reason] += 1
        else:
            shown = (name / file.relative_to(root)).as_posix()
            _take(found, _item(shown, file, shown))


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


def _take(found: Gathered, item: Item) -> None:
    size = item.file.stat().st_size if item.file else 0
    if size > MOST_BYTES:
        message = f"{item.title} has {size / 1e6:,.1f} MB, more than the 50 MB a document may have"
        found.faults.append(Fault(item.title, message, "split it"))
        return
    found.items.append(item)
