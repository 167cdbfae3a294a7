"""Databases with the newest schema, made once a session and copied for each test.

Migrating anew took longer than most tests do.
"""

import asyncio
from pathlib import Path

from nexus.models.address import find_database
from nexus.models.migrate import upgrade
from nexus.settings import read_settings


def migrate(url: str, folder: Path) -> None:
    """Bring an empty database to the newest schema; nothing else is written."""

    async def nothing() -> None:
        return None

    settings = read_settings(database_url=url, data_dir=folder)
    asyncio.run(upgrade(find_database(settings), folder, nothing))
