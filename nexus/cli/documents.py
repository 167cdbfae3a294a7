"""`nexus documents`: add, list, search, remove."""

from pathlib import Path
from typing import Annotated

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
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to put in memory.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Put files in memory and wait until they can be searched."""
    from nexus.cli.uploads import upload_all

    with connect(data_dir, url) as client:
        documents = upload_all(client, files)
    if as_json:
        emit({"items": documents})
        return
    for each in documents:
        say(f"{each['title']} is ready: {each['id']}, {each['passages']} passages")


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
            one_line(each["title"], TITLE_WIDTH),
        )
        for each in found
    ]
    show_table(("id", "status", "bytes", "passages", "title"), rows, "no documents yet")


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
        found = client.post("/memory/search", {"query": query, "k": k})["items"]
    if as_json:
        emit({"items": found})
        return
    if not found:
        say("nothing found")
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
