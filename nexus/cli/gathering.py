"""What `nexus documents add` was asked to add: files, folders gone through, and addresses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nexus.errors import InvalidInput
from nexus.memory.media import is_readable_name

PASSED_OVER: Final = frozenset(
    ["node_modules", "__pycache__", "venv", "site-packages", "build", "dist", "target", "vendor"]
)
"""Folders of what others wrote or programs made; hidden ones are passed over too."""
ADDRESSES: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document: a file or an address; `name` is what it is called and known by."""

    name: str
    file: Path | None = None


@dataclass(slots=True)
class Gathered:
    """Everything to add; `skipped` counts what folders had besides that nobody can read."""

    wanted: list[Wanted] = field(default_factory=list)
    skipped: int = 0


def gather(targets: Sequence[str]) -> Gathered:
    """Find what to add, in the order given.

    Raises:
        InvalidInput: something named is not there; nothing was sent.
    """
    found = Gathered()
    for target in targets:
        path = Path(target)
        if target.startswith(ADDRESSES):
            found.wanted.append(Wanted(target))
        elif path.is_dir():
            _go_through(path, found)
        elif path.is_file():
            found.wanted.append(Wanted(path.name, path))
        else:
            raise InvalidInput(f"{target} is not a file", hint="name a file that can be read")
    return found


def _go_through(folder: Path, found: Gathered) -> None:
    base = folder.resolve().parent
    for file in _files(folder.resolve()):
        if is_readable_name(file.name):
            found.wanted.append(Wanted(file.relative_to(base).as_posix(), file))
        else:
            found.skipped += 1


def _files(folder: Path) -> Iterator[Path]:
    """Walk without following links, which may lead outside or round in a circle."""
    for one in sorted(folder.iterdir()):
        if one.name.startswith(".") or one.is_symlink():
            continue
        if one.is_dir() and one.name not in PASSED_OVER:
            yield from _files(one)
        elif one.is_file():
            yield one
