"""An engine on each database, with a real Redis."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.rig import Rig, open_rig


@pytest.fixture
async def rig(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, database_url=database_url, redis_url=redis_url) as opened:
        yield opened
