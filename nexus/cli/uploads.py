"""Put files into memory and wait until they can be searched."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nexus.cli.gathering import Item, items_of
from nexus.cli.screen import say
from nexus.errors import InvalidInput, PermanentFailure, ServiceMissing

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

READY_SECONDS: Final = 600.0
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0

Document = dict[str, Any]


def upload_all(client: "ApiClient", files: list[Path]) -> list[Document]:
    """Upload files, wait for each, and return them ready, in the order given.

    Raises:
        InvalidInput: a file cannot be read; nothing was uploaded.
        PermanentFailure: a document failed; the message says which and why.
    """
    check_files(files)
    documents = []
    for item in items_of(files):
        document = send_file(client, item)
        say(f"document {item.title} is being read ({document['id']})")
        documents.append(document)
    return [wait_until_ready(client, document) for document in documents]


def send_file(client: "ApiClient", item: Item) -> Document:
    """Upload one file under its title and source."""
    if item.file is None:
        raise InvalidInput(f"{item.title} is not a file", hint="name a file that can be read")
    fields = {"title": item.title, "source": item.source or item.title}
    return client.upload("/documents", item.file, media_type_of(item.file), fields)


def check_files(files: list[Path]) -> None:
    """Refuse files that are not there before anything is sent."""
    for file in files:
        if not file.is_file():
            raise InvalidInput(f"{file} is not a file", hint="name a file that can be read")


def wait_until_ready(client: "ApiClient", document: Document) -> Document:
    """Ask until a document is ready.

    Raises:
        PermanentFailure: it cannot be read.
        ServiceMissing: it took too long; nobody may be working.
    """
    deadline, pause = time.monotonic() + READY_SECONDS, FIRST_PAUSE_SECONDS
    while document["status"] == "processing":
        if time.monotonic() > deadline:
            raise ServiceMissing(
                f"the document {document['title']} is still not read after {READY_SECONDS:g} s",
                hint="check that a worker is running: nexus doctor",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        document = client.get(f"/documents/{document['id']}")
    if document["status"] == "failed":
        error = document.get("error") or {}
        words = error.get("message") if isinstance(error, dict) else error
        raise PermanentFailure(
            f"the document {document['title']} could not be read: {words or 'no reason given'}",
            hint=error.get("hint") if isinstance(error, dict) else None,
        )
    return document


def media_type_of(file: Path) -> str | None:
    """Guess a file's media type by its name; None leaves it to the server."""
    import mimetypes

    known = {".md": "text/markdown", ".csv": "text/csv"}
    return known.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
