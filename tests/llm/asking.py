"""Ask a model of a book through the seam."""

from pydantic_ai import Agent

from nexus.llm.book import ModelBook
from nexus.llm.journalled import JournalledModel
from tests.agents.fakes import DictSeam


async def ask(
    book: ModelBook, prompt: str, seam: DictSeam | None = None, *, model: str | None = None
) -> str:
    """Return a text answer to `prompt`."""
    name = model or book.default_name
    journalled = JournalledModel(book.resolve(name), seam or DictSeam(), name=name)
    agent = Agent(output_type=str, retries={"tools": 1, "output": 0})
    return (await agent.run(prompt, model=journalled, instructions="Answer.")).output
