"""Which model a run will use when nobody names one."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus.settings import Settings


def model_in_use(settings: "Settings") -> str:
    """Name the model that requests without a `model` go to; looks for a local Ollama if need be.

    Raises:
        Misconfigured: NEXUS_MODEL cannot be used.
    """
    from nexus.llm.book import ModelBook

    async def choose() -> str:
        book = ModelBook(settings)
        try:
            return await book.choose()
        finally:
            await book.close()

    return asyncio.run(choose())
