"""Send many documents, a few at a time, and wait until each is read; one that fails stops no other."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nexus.cli.gathering import Wanted
from nexus.cli.screen import remarks
from nexus.cli.uploads import Document, media_type_of, wait_until_ready
from nexus.errors import CallerError, Forbidden, PermanentFailure, Unauthorized

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

AT_ONCE: Final = 4
MOST_BYTES: Final = 50 * 1024**2

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failed:
    """A document that is not in memory, and why."""

    name: str
    message: str
    hint: str | None


@dataclass(slots=True)
class Added:
    """What became of documents, in the order they were named."""

    ready: list[Document] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def add_all(client: "ApiClient", wanted: Sequence[Wanted]) -> Added:
    """Add documents; errors of a document are kept, those of the installation end it.

    Raises:
        OperatorError: the API is out of reach, or nobody reads.
        Unauthorized, Forbidden: the key is not good for it.
    """
    added = Added()
    with _steps(len(wanted)) as step, ThreadPoolExecutor(AT_ONCE) as threads:
        sent = threads.map(lambda one: _send(client, one), wanted)
        for one, answer in zip(wanted, sent, strict=True):
            ended = answer if isinstance(answer, Failed) else _read(client, one, answer)
            if isinstance(ended, Failed):
                added.failed.append(ended)
            else:
                added.ready.append(ended)
            step(one.name)
    return added


def _send(client: "ApiClient", one: Wanted) -> Document | Failed:
    try:
        if one.file is None:
            return client.send_form("/documents", {"url": one.name})
        size = one.file.stat().st_size
        if size > MOST_BYTES:
            return Failed(one.name, f"it has {size:,} bytes, more than {MOST_BYTES:,}", "split it")
        name = None if one.name == one.file.name else one.name
        return client.upload("/documents", one.file, media_type_of(one.file), name=name)
    except (Unauthorized, Forbidden):
        raise
    except CallerError as wrong:
        return Failed(one.name, wrong.message, wrong.hint)
    except OSError as wrong:
        return Failed(one.name, f"it cannot be read: {wrong.strerror}", None)


def _read(client: "ApiClient", one: Wanted, document: Document) -> Document | Failed:
    try:
        return wait_until_ready(client, document)
    except PermanentFailure as wrong:
        return Failed(one.name, wrong.message, wrong.hint)


@contextmanager
def _steps(count: int) -> Iterator[Step]:
    """Show a bar on a terminal, else nothing until the end."""
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns: tuple[Any, ...] = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=remarks(), transient=True) as bar:
        task = bar.add_task("reading", total=count)
        yield lambda name: bar.update(task, advance=1, description=name[-60:])
