"""`nexus memory`: list, search, show, add, edit, remove, history."""

from typing import Annotated, Any

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, results, say, show_table
from nexus.cli.show.wording import one_line

TITLE_WIDTH = 60
PASSAGE_WIDTH = 600

app = typer.Typer(
    help="What is remembered of earlier work: list, search, show, add, edit, remove, history.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
MemoryId = Annotated[str, typer.Argument(metavar="ID", help="The memory's id.")]
Title = Annotated[str | None, typer.Option("--title", metavar="TITLE", help="Its title.")]


@app.command("list")
def list_memories(
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="output, decision, fact or note."),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="STATUS", help="active, superseded or forgotten."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """List memories, newest first."""
    with connect(data_dir, url) as client:
        found = client.items("/memory", kind=kind, status=status)
    if as_json:
        emit({"items": found})
        return
    rows = [
        (
            each["id"],
            each["kind"],
            each["trust"],
            each["status"],
            one_line(each["title"], TITLE_WIDTH),
        )
        for each in found
    ]
    show_table(("id", "kind", "trust", "status", "title"), rows, "no memories yet")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="How many passages.")] = 8,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Search the memories."""
    body = {"query": query, "k": k, "filter": {"shelves": ["memories"]}}
    with connect(data_dir, url) as client:
        found = client.post("/memory/search", body)["items"]
    if as_json:
        emit({"items": found})
        return
    if not found:
        say("nothing found")
    from rich.text import Text

    for each in found:
        about = f" · {each['memory_id']} · {each['trust']} · {each['score']:.3f}"
        results().print(Text.assemble((each["title"], "bold"), (about, "dim")))
        results().print(Text(one_line(each["text"], PASSAGE_WIDTH)), "")


@app.command()
def show(
    memory_id: MemoryId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """Show a memory: its text, how far it can be trusted, and where it is from."""
    with connect(data_dir, url) as client:
        found = client.get(f"/memory/{memory_id}")
    if as_json:
        emit(found)
        return
    say(f"{found['title']} · {found['kind']} · {found['trust']} · {found['status']}")
    for source in found["sources"]:
        say(f"from {_place(source)}")
    typer.echo(found["text"])


@app.command()
def add(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What it is about.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="At most 8,000 bytes.")],
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="note, fact or decision.")
    ] = "note",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Remember something in your own words."""
    with connect(data_dir, url) as client:
        made = client.post("/memory", {"title": title, "text": text, "kind": kind})
    if as_json:
        emit(made)
        return
    say(f"{made['title']} is remembered: {made['id']}")


@app.command()
def edit(
    memory_id: MemoryId,
    title: Title = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What it says from now on.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Put a memory's title or text right."""
    given = {"title": title, "text": text}
    with connect(data_dir, url) as client:
        changed = client.patch(
            f"/memory/{memory_id}", {name: one for name, one in given.items() if one is not None}
        )
    if as_json:
        emit(changed)
        return
    say(f"{changed['title']} is changed")


@app.command()
def remove(memory_id: MemoryId, data_dir: DataDir = None, url: Url = None) -> None:
    """Delete a memory for good."""
    with connect(data_dir, url) as client:
        client.delete(f"/memory/{memory_id}")
    say(f"{memory_id} is removed")


@app.command()
def history(
    memory_id: MemoryId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """List what happened to a memory and who did it."""
    with connect(data_dir, url) as client:
        found = client.items(f"/memory/{memory_id}/changes")
    if as_json:
        emit({"items": found})
        return
    rows = [(each["at"], each["act"], each["by"]) for each in found]
    show_table(("at", "what", "who"), rows, "nothing happened to it")


def _place(source: dict[str, Any]) -> str:
    parts = (source["project"], source["task"], *source["document_ids"], *source["urls"])
    return one_line(" · ".join(str(part) for part in parts if part), PASSAGE_WIDTH)
