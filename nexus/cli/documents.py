"""`nexus documents`: add, list, search, remove."""

from typing import Annotated, Any

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, results, say, show_table
from nexus.cli.show.wording import one_line

TITLE_WIDTH = 60
PASSAGE_WIDTH = 600

app = typer.Typer(
    help="Documents in memory: add, list, search, remove.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def add(
    places: Annotated[
        list[str],
        typer.Argument(metavar="FILE|DIR|URL...", help="Files, folders and URLs to put in memory."),
    ],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Put files, all files below folders, and pages in memory; wait until they can be searched."""
    from nexus.cli.adding import Stopped, add_all
    from nexus.cli.gathering import gather
    from nexus.cli.show.adding import conclude, watching

    found = gather(places)
    with connect(data_dir, url) as client, watching(len(found.items)) as watcher:
        try:
            added = add_all(client, found.items, watcher)
        except Stopped as stopped:
            say(f"stopped: {stopped.sent} of {len(found.items)} documents were sent and are read")
            raise typer.Exit(130) from None
    if not conclude(found, added, as_json=as_json):
        raise typer.Exit(1)


@app.command("list")
def list_documents(as_json: AsJson = False, data_dir: DataDir = None, url: Url = None) -> None:
    """List documents, newest first."""
    with connect(data_dir, url) as client:
        found = client.items("/documents")
    if as_json:
        emit({"items": found})
        return
    rows = [
        (
            each["id"],
            each["status"],
            f"{each['bytes']:,}",
            str(each["passages"] or 0),
            one_line(each["title"], TITLE_WIDTH) + _reason(each.get("error")),
        )
        for each in found
    ]
    show_table(("id", "status", "bytes", "passages", "title"), rows, "no documents yet")


def _reason(error: dict[str, Any] | None) -> str:
    """Say under a title why its document could not be read, and what to do."""
    if not error:
        return ""
    return "".join(f"\n  {words}" for words in (error.get("message"), error.get("hint")) if words)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="How many passages.")] = 8,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Search the documents."""
    with connect(data_dir, url) as client:
        answer = client.post("/memory/search", {"query": query, "k": k})
    found, note = answer["items"], answer.get("note")
    if as_json:
        emit({"items": found, "note": note})
        return
    if note or not found:
        say(note or "nothing found")
    from rich.text import Text

    for each in found:
        place = " · ".join(str(part) for part in (each["title"], each["locator"]) if part)
        results().print(Text.assemble((place, "bold"), (f" · {each['score']:.3f}", "dim")))
        results().print(Text(one_line(each["text"], PASSAGE_WIDTH)), "")


@app.command()
def remove(
    document_id: Annotated[str, typer.Argument(metavar="ID", help="The document's id.")],
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Take a document out of memory."""
    with connect(data_dir, url) as client:
        client.delete(f"/documents/{document_id}")
    say(f"{document_id} is removed")
