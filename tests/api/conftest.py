"""A whole API over a database of its own, spoken to through its ASGI interface."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from nexus.main import create_app
from nexus.settings import Settings, read_settings
from tests.api.client import Client, client_for


@pytest.fixture
def where() -> str | None:
    """The database's address, None for SQLite; modules that run on both put `database_url` here."""
    return None


@pytest.fixture
def settings(tmp_path: Path, where: str | None, migrated_file: Path) -> Settings:
    if where is None:
        (tmp_path / "data").mkdir()
        shutil.copyfile(migrated_file, tmp_path / "data" / "nexus.db")
    return read_settings(
        database_url=where,
        data_dir=tmp_path / "data",
        redis_url="redis://127.0.0.1:1/0",
        chroma_url="http://127.0.0.1:1",
        model="offline",
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    async with client_for(app, None) as client:
        yield client


@pytest.fixture
async def admin(app: FastAPI, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the admin key of the workspace `default`."""
    key = (settings.data / "admin.key").read_text().strip()
    async with client_for(app, key) as client:
        yield client


@pytest.fixture
async def client(admin: httpx2.AsyncClient) -> Client:
    """What most tests use: the admin's client and a few acts."""
    return Client(admin)
