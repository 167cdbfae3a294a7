"""An API and a scripted model beside a rig, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.api.chat.talking import serving, speaking
from tests.scripted_model import ScriptedModel
from tests.support.rig import Rig, open_rig


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel(lambda request: "Hello.") as server:
        yield server


@pytest.fixture
async def rig(
    tmp_path: Path, database_url: str, redis_url: str, model: ScriptedModel
) -> AsyncIterator[Rig]:
    async with open_rig(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        chroma_url="http://127.0.0.1:1",
        model="openai:any",
        openai_base_url=model.base_url,
    ) as opened:
        yield opened


@pytest.fixture
async def app(rig: Rig) -> AsyncIterator[FastAPI]:
    async with serving(rig) as opened:
        yield opened


@pytest.fixture
async def client(rig: Rig, app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with speaking(rig, app) as opened:
        yield opened
