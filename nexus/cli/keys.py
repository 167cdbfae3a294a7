"""`nexus keys`: create, list, revoke. Needs a key with the scope `admin`, such as admin.key."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, say, show_table
from nexus.cli.show.wording import one_line

app = typer.Typer(
    help="API keys: create, list, revoke.", no_args_is_help=True, rich_markup_mode=None
)
Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace", metavar="NAME", help="The workspace (default: the admin key's own)."
    ),
]
NAME_WIDTH = 16
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="read, write, execute, approve or admin; may be repeated."
    ),
]


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the key is for.")],
    workspace: Workspace = None,
    scope: Scopes = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Make a key; it is shown this once."""
    body = {"name": name, "workspace": workspace, "scopes": scope}
    with connect(data_dir, url) as client:
        made = client.post(
            "/keys", {field: value for field, value in body.items() if value is not None}
        )
    if as_json:
        emit(made)
        return
    say(f"{made['id']} for workspace {made['workspace']}: {', '.join(made['scopes'])}")
    typer.echo(made["key"])
    say("this is the only time it is shown")


@app.command("list")
def list_keys(
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """List keys, newest first."""
    with connect(data_dir, url) as client:
        found = client.items("/keys", workspace=workspace)
    if as_json:
        emit({"items": found})
        return
    rows = [
        (
            each["id"],
            each["prefix"],
            _state(each),
            one_line(each["name"], NAME_WIDTH),
            " ".join(each["scopes"]),
        )
        for each in found
    ]
    show_table(("id", "begins", "state", "name", "scopes"), rows, "no keys")


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return "revoked"
    now = datetime.now(UTC)
    ends = key["expires_at"]
    return "expired" if ends and datetime.fromisoformat(ends) <= now else "valid"


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    workspace: Workspace = None,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """End a key; it is refused within seconds."""
    with connect(data_dir, url) as client:
        client.delete(f"/keys/{key_id}", workspace=workspace)
    say(f"{key_id} is revoked")
