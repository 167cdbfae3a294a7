"""The migrations make the very schema that the models describe, on both databases."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import create_async_engine

from nexus.models import chats, delegation, memories, passages, projects, work
from nexus.models.address import find_database
from nexus.models.columns import Table
from nexus.models.database import open_database
from nexus.models.migrate import HEAD, revision
from nexus.models.projects import Phase
from nexus.settings import read_settings
from tests.support.rig import open_rig, plan, task

TABLES = (chats, delegation, memories, passages, projects, work)


def differences(connection: Connection) -> list[object]:
    opts = {"compare_type": False, "include_object": _is_modelled}
    context = MigrationContext.configure(connection, opts=opts)
    return list(compare_metadata(context, Table.metadata))


def _is_modelled(_thing: object, name: str | None, kind: str, *_rest: object) -> bool:
    """Leave out the index of words, which each database has in its own way."""
    return kind != "table" or not (name or "").startswith("passage_words")


async def test_the_migrations_make_the_models_schema(
    tmp_path: Path, empty_database_url: str
) -> None:
    settings = read_settings(data_dir=tmp_path / "data", database_url=empty_database_url)
    database = await open_database(settings)
    await database.close()
    engine = create_async_engine(find_database(settings).sqlalchemy_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(revision) == HEAD
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def _downgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "nexus.models:migrations")
    config.attributes["connection"] = connection
    command.downgrade(config, "0007")
    connection.commit()


async def test_phases_of_an_older_database_are_counted(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    every = select(Phase.__table__).order_by(Phase.project_id, Phase.place)
    async with open_rig(tmp_path, database_url=database_url, redis_url=redis_url) as rig:
        document = plan(task("one"), task("two"), task("three", "echo", "one"))
        await rig.start(document)
        await rig.create(document)
        engine = create_async_engine(find_database(rig.settings).sqlalchemy_url)
        async with engine.connect() as connection:
            kept = (await connection.execute(every)).all()
            await connection.rollback()
            await connection.run_sync(_downgrade)
        await (await open_database(rig.settings)).close()
        async with engine.connect() as connection:
            assert (await connection.execute(every)).all() == kept
        await engine.dispose()
    assert [(row.pending, row.queued) for row in kept] == [(1, 2), (3, 0)]


def test_every_table_names_its_workspace() -> None:
    without = [name for name, table in Table.metadata.tables.items() if "workspace" not in table.c]
    assert without == []
