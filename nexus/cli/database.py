"""`nexus db upgrade`: bring the schema to this version, nothing else."""

import typer

from nexus.cli.options import DataDir, settle
from nexus.cli.screen import say

app = typer.Typer(help="The database.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def options() -> None:
    """The database."""


@app.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Upgrade the database's schema; safe to run at any time, by any number of processes."""
    import asyncio

    from nexus.models.database import open_database

    async def bring_up() -> None:
        database = await open_database(settle(data_dir=data_dir))
        await database.close()

    asyncio.run(bring_up())
    say("the database is at this version's schema")
