"""Small real parts for tests of agents and models: a seam over a dict, contexts, a plugin's tool."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexus.agents.context import Context
from nexus.domain.seam import Call, CallKind, Json, Recorded
from nexus.domain.work import Brief, DocumentNote, TaskBrief
from nexus.errors import ServiceMissing
from nexus.llm.book import ModelBook
from nexus.memory.passages import Where
from nexus.settings import Settings
from nexus.tools.sandbox.monty import MontySandbox
from nexus.tools.scope import Equipment, ToolScope


@dataclass
class DictSeam:
    """A journal in memory; hand its `records` to a new one to replay a subtask."""

    records: dict[tuple[str, str, str, int], str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    made: list[Recorded] = field(default_factory=list)
    _met: dict[tuple[str, str, str], int] = field(default_factory=dict)

    async def call(self, call: Call, effect: Callable[[str], Awaitable[Recorded]]) -> Json:
        self.calls.append(call)
        known = (call.kind.value, call.key or call.name, call.fingerprint)
        occurrence = self._met[known] = self._met.get(known, 0) + 1
        place = (*known, occurrence)
        if place not in self.records:
            key = hashlib.sha256(repr(place).encode()).hexdigest()[:32]
            recorded = await effect(key)
            self.made.append(recorded)
            self.records[place] = json.dumps(recorded.value)
        value: Json = json.loads(self.records[place])
        return value

    def replay(self) -> "DictSeam":
        """Return a seam for another attempt at the same subtask."""
        return DictSeam(records=self.records)

    def of(self, kind: CallKind) -> list[Call]:
        return [call for call in self.calls if call.kind is kind]


@dataclass(frozen=True)
class Found:
    """A passage as memory returns it."""

    text: str
    score: float = 0.9
    document_id: str = "doc_1"
    title: str = "Penguins"
    locator: str = "p. 3"
    id: str = "psg_0a1b2c3d4e5f"


@dataclass
class Listed:
    """What a memory of fixed passages finds."""

    passages: list[Found]


@dataclass
class ListMemory:
    """A memory of fixed passages; `missing` makes it out of reach."""

    passages: list[Found] = field(default_factory=list)
    missing: bool = False
    queries: list[str] = field(default_factory=list)

    async def search(
        self, where: Where, query: str, *, k: int = 8, even_if_far: bool = False
    ) -> Listed:
        self.queries.append(query)
        if self.missing:
            raise ServiceMissing("Chroma is out of reach: set NEXUS_CHROMA_URL")
        return Listed(self.passages[:k])


def settings(**values: Any) -> Settings:
    """Make settings from nothing but the arguments: no environment, no `.env`."""
    blank: dict[str, Any] = dict.fromkeys(
        (
            "model",
            "groq_api_key",
            "openai_api_key",
            "openai_base_url",
            "anthropic_api_key",
            "google_api_key",
            "mistral_api_key",
            "ollama_base_url",
        )
    )
    return Settings(**{"_env_file": None, **blank, **values})


def context(
    book: ModelBook,
    seam: DictSeam | None = None,
    *,
    memory: ListMemory | None = None,
    model: str | None = None,
) -> Context:
    """Make the context of a subtask."""
    parts: Any = memory or ListMemory()
    nothing: Any = None
    equipment = Equipment(memory=parts, sandbox=MontySandbox(), fetcher=nothing, searcher=nothing)
    scope = ToolScope("default", "prj_1", Path("/nowhere"), None, equipment)
    return Context(
        workspace="default",
        project_id="prj_1",
        task_id="tsk_1",
        subtask_id="sub_1",
        attempt=1,
        model=model,
        seam=seam or DictSeam(),
        scope=scope,
        models=book,
    )


def brief(**values: Any) -> Brief:
    """Make a small brief."""
    given: dict[str, Any] = {
        "goal": "Compare penguins",
        "task": TaskBrief("facts", "Collect facts", "research"),
        "instructions": "Find the weights.",
        **values,
    }
    return Brief(**given)


PENGUINS = DocumentNote("doc_1", "Penguins", "text/csv", 13_456, "documents/penguins.csv")
