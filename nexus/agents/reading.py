"""What a model reads of a tool's result: all of it, or the passages nearest to what it is after.

Called by the toolset. The journal has every result whole; what a model's window takes of it is
found out when the model is asked.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_ai.messages import ModelMessage

from nexus.agents.prompt import MOST_INPUT, bounded
from nexus.domain.delegation import DELEGATE
from nexus.domain.seam import Json
from nexus.llm.measuring import query_of

ROOM_FOR_FIELDS: Final = 1_000
"""Characters of what stands beside the output of one delegated part."""


async def readable(
    tool: str, value: Json, arguments: Mapping[str, object], messages: Sequence[ModelMessage]
) -> Json:
    """Return what a model reads of a result."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= MOST_INPUT:
        return value
    about = f"{query_of(messages)}\n{json.dumps(arguments, ensure_ascii=False, default=str)}"
    if tool == DELEGATE and isinstance(value, list):
        return await asyncio.to_thread(_parts, value, about)
    return await asyncio.to_thread(bounded, text, about)


def _parts(value: list[Json], about: str) -> Json:
    """Shorten what delegated parts came to, each by its share."""
    most = MOST_INPUT // max(1, len(value)) - ROOM_FOR_FIELDS
    return [_part(one, about, most) for one in value]


def _part(one: Json, about: str, most: int) -> Json:
    output = one.get("output") if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(output, str):
        return one
    return {**one, "output": bounded(output, about, most)}
