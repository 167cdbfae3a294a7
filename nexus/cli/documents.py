"""`nexus documents`: add, list, search, remove."""

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
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...", help="Files, folders of them, and pages to put in memory."
        ),
    ],
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Put files, folders and pages in memory, and wait until they can be searched."""
    from nexus.cli.adding import add_all
    from nexus.cli.gathering import gather

    gathered = gather(targets)
    with connect(data_dir, url) as client:
        added = add_all(client, gathered.wanted)
    if as_json:
        failed = [
            {"name": one.name, "message": one.message, "hint": one.hint} for one in added.failed
        ]
        emit({"items": added.ready, "failed": failed, "skipped": gathered.skipped})
    else:
        for each in added.ready:
            say(f"{each['title']} is ready: {each['id']}, {each['passages']} passages")
        if gathered.skipped:
            say(f"{gathered.skipped} files of other kinds were passed over")
        for one in added.failed:
            say(f"{one.name}: {one.message}")
            if one.hint:
                say(f"  {one.hint}")
    if added.failed:
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
