"""Put many documents into memory, some at a time: what is wrong with one stops no other.

`nexus documents add` calls it. What has been sent stays, whatever becomes of the rest.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nexus.cli.gathering import Fault, Item
from nexus.cli.uploads import send_file, wait_until_ready
from nexus.errors import CallerError, Forbidden, PermanentFailure, Unauthorized

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

AT_ONCE: Final = 4

Document = dict[str, Any]


@dataclass(slots=True)
class Added:
    """What became of them."""

    ready: list[Document] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told of each document that was sent, and of each that is over."""

    sent: Callable[[Document], None]
    over: Callable[[], None]


class Stopped(Exception):
    """A person stopped it; so many documents had been sent."""

    def __init__(self, sent: int) -> None:
        super().__init__()
        self.sent = sent


def add_all(client: "ApiClient", items: Sequence[Item], watcher: Watcher) -> Added:
    """Send documents and wait until each is read.

    Raises:
        Stopped: by a person; what was sent is there and is read.
        NexusError: the installation is out of reach, or takes nothing from this key.
    """
    added = Added()
    sent: dict[int, Document] = {}
    try:
        _send_all(client, items, sent, added, watcher)
        for document in _once_each([sent[place] for place in sorted(sent)]):
            try:
                added.ready.append(wait_until_ready(client, document))
            except PermanentFailure as wrong:
                added.faults.append(Fault(document["title"], wrong.message, wrong.hint))
            watcher.over()
    except KeyboardInterrupt:
        raise Stopped(len(sent)) from None
    return added


def _send_all(
    client: "ApiClient",
    items: Sequence[Item],
    sent: dict[int, Document],
    added: Added,
    watcher: Watcher,
) -> None:
    """Send some at a time; the first error that is not one document's own ends it."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        places: dict[Future[Document], int] = {
            pool.submit(_send, client, item): place for place, item in enumerate(items)
        }
        for future in as_completed(places):
            place = places[future]
            try:
                sent[place] = future.result()
            except (Unauthorized, Forbidden):
                raise
            except CallerError as wrong:
                added.faults.append(Fault(items[place].title, wrong.message, wrong.hint))
                watcher.over()
            except OSError as wrong:
                words = f"{items[place].title}: {wrong.strerror or wrong}"
                added.faults.append(Fault(items[place].title, words))
                watcher.over()
            else:
                watcher.sent(sent[place])
    finally:
        # What is on its way arrives; what is not never starts.
        pool.shutdown(wait=True, cancel_futures=True)


def _send(client: "ApiClient", item: Item) -> Document:
    if item.file is None:
        return client.submit("/documents", {"url": item.title})
    return send_file(client, item)


def _once_each(documents: Sequence[Document]) -> list[Document]:
    """Leave out what was the same document again, by its content."""
    return list({one["id"]: one for one in documents}.values())
