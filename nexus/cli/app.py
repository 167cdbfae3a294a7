"""The `nexus` command: every command's place, and the one place where errors become words.

Nothing heavy is imported here or by the command modules at import: `nexus --help` stays quick.
"""

import sys
from typing import Annotated

import typer

from nexus.cli import (
    approvals,
    chat,
    database,
    doctor,
    documents,
    keys,
    memory,
    processes,
    projects,
    run,
)
from nexus.cli.screen import say, show_error
from nexus.errors import NexusError

app = typer.Typer(
    name="nexus",
    help="Nexus plans a goal into a graph of tasks and runs it on durable workers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Rendering help with rich costs more time than everything else `nexus --help` does.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from nexus import __version__

        typer.echo(f"nexus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Nexus plans a goal into a graph of tasks and runs it on durable workers."""


app.command("up")(processes.up)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.add_typer(projects.app, name="projects")
app.add_typer(approvals.app, name="approvals")
app.add_typer(documents.app, name="documents")
app.add_typer(memory.app, name="memory")
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.command("services")(processes.services)
app.command("serve")(processes.serve)
app.command("worker")(processes.worker)
app.add_typer(database.app, name="db")


def main() -> None:
    """Run the command line; expected errors become one or two lines and exit code 1."""
    try:
        app()
    except NexusError as wrong:
        show_error(wrong)
        sys.exit(1)
    except OSError as wrong:
        place = f" ({wrong.filename})" if wrong.filename else ""
        say(f"{wrong.strerror or wrong}{place}")
        sys.exit(1)
