"""A scripted model and a book that reaches it."""

from collections.abc import AsyncIterator

import pytest

from nexus.llm.book import ModelBook
from tests.agents.fakes import settings
from tests.scripted_model import ScriptedModel


@pytest.fixture
async def server() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as model:
        yield model


@pytest.fixture
async def book(server: ScriptedModel) -> AsyncIterator[ModelBook]:
    models = ModelBook(settings(model="openai:scripted", openai_base_url=server.base_url))
    yield models
    await models.close()
