"""`nexus projects`: list, show, why, watch, execute, pause, resume, cancel, retry, export."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli.budget import budget
from nexus.cli.interruption import INTERRUPTED, interruptible
from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, remarks, results, say, show_error, show_table
from nexus.cli.show.wording import ago, one_line, spent

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient
    from nexus.cli.show.board import Board

NAME_WIDTH = 60
TREE_LINES = 400

app = typer.Typer(
    help="Projects: list, show, why, watch, execute, pause, resume, cancel, retry, export.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
ProjectId = Annotated[str, typer.Argument(metavar="ID", help="The project's id.")]
app.command()(budget)


@app.command("list")
def list_projects(
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATE", help="Only those in this state.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """List projects, newest first."""
    with connect(data_dir, url) as client:
        found = client.items("/projects", limit, status=status)
    if as_json:
        emit({"items": found})
        return
    rows = [
        (
            each["id"],
            each["status"],
            ago(each["created_at"]),
            spent(Decimal(each["usage"]["cost_usd"]), each["usage"].get("unpriced_requests", 0)),
            one_line(each["name"], NAME_WIDTH),
        )
        for each in found
    ]
    show_table(("id", "status", "made", "cost", "name"), rows, "no projects yet")


@app.command()
def show(
    project_id: ProjectId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """Show a project: its state, its tasks, its spend."""
    with connect(data_dir, url) as client:
        project = client.get(f"/projects/{project_id}")
        progress = client.get(f"/projects/{project_id}/progress")
    if as_json:
        emit({"project": project, "progress": progress})
        return
    from datetime import UTC, datetime

    from nexus.cli.show.tree import run_tree

    board = _board(project, progress)
    results().print(run_tree(board, datetime.now(UTC), TREE_LINES, results().width))
    if project["error"]:
        from nexus.cli.journey import failure_of

        show_error(failure_of(project))


@app.command()
def why(
    project_id: ProjectId,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=200, help="At most this many tasks.")
    ] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Say why a project's unfinished tasks are not moving."""
    from nexus.cli.show.reasons import diagnosis_lines

    with connect(data_dir, url) as client:
        found = client.get(f"/projects/{project_id}/diagnosis", limit=limit)
    if as_json:
        emit(found)
        return
    for line in diagnosis_lines(found):
        typer.echo(line)


@app.command()
def watch(
    project_id: ProjectId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """Follow a project until it ends; as JSON, a line for each event from the first.

    Ctrl-C stops the watching, not the project.
    """
    from nexus.cli.journey import failure_of

    with interruptible(), connect(data_dir, url) as client:
        try:
            status = _follow(client, project_id, as_json=as_json)
        except KeyboardInterrupt:
            say("it goes on without you")
            raise typer.Exit(INTERRUPTED) from None
        if status != "succeeded":
            show_error(failure_of(client.get(f"/projects/{project_id}")))
            raise typer.Exit(1)
    say(f"succeeded; read the result with: nexus projects export {project_id}")


@app.command()
def execute(project_id: ProjectId, data_dir: DataDir = None, url: Url = None) -> None:
    """Run a planned project."""
    _move(project_id, "execute", data_dir, url)


@app.command()
def pause(project_id: ProjectId, data_dir: DataDir = None, url: Url = None) -> None:
    """Begin nothing new of a project; what runs may finish."""
    _move(project_id, "pause", data_dir, url)


@app.command()
def resume(project_id: ProjectId, data_dir: DataDir = None, url: Url = None) -> None:
    """Let a project go on that is paused, or waits for a budget that was raised."""
    _move(project_id, "resume", data_dir, url)


@app.command()
def cancel(project_id: ProjectId, data_dir: DataDir = None, url: Url = None) -> None:
    """Cancel a project; what runs is stopped."""
    _move(project_id, "cancel", data_dir, url)


@app.command()
def retry(project_id: ProjectId, data_dir: DataDir = None, url: Url = None) -> None:
    """Run a failed or cancelled project again.

    Tasks that succeeded keep their outputs.
    """
    _move(project_id, "retry", data_dir, url)


@app.command()
def export(
    project_id: ProjectId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file to write.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Write a finished project's deliverable as Markdown."""
    from nexus.cli.show.deliverable import read_deliverable, save_deliverable

    with connect(data_dir, url) as client:
        if as_json:
            emit(client.get(f"/projects/{project_id}/deliverable"))
            return
        markdown = read_deliverable(client, project_id)
    if output is None:
        typer.echo(markdown, nl=False)
        return
    save_deliverable(markdown, output)
    say(f"saved to {output}")


def _follow(client: "ApiClient", project_id: str, *, as_json: bool) -> str:
    """Show a project's run until it ends; return the state it ended in."""
    if as_json:
        from nexus.cli.show.history import write_history

        return write_history(client, project_id)
    from nexus.cli.show.follow import Follower

    project = client.get(f"/projects/{project_id}")
    return Follower(client, project, remarks()).follow(lambda board: board.has_ended).status


def _move(project_id: str, act: str, data_dir: Path | None, url: str | None) -> None:
    with connect(data_dir, url) as client:
        moved = client.post(f"/projects/{project_id}/{act}")
    say(f"project {project_id} is {moved['status']}")


def _board(project: dict[str, Any], progress: dict[str, Any]) -> "Board":
    from nexus.cli.show.board import Board, moment

    board = Board(project["id"], project["name"])
    board.started_at = moment(project["started_at"])
    board.finished_at = moment(project["finished_at"])
    board.load(progress)
    return board
