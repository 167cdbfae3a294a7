"""The identity of a request to a model: what it says, not when or in which run it is said.

Two processes that ask the same thing get the same fingerprint, so a journal written by one
can be replayed by the other. Timestamps, run ids and metadata are left out; tool-call ids,
which servers invent, are replaced by their order of appearance.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

MESSAGE_FIELDS: Final = ("kind", "parts", "instructions")
VOLATILE_FIELDS: Final = frozenset(
    {
        "timestamp",
        "run_id",
        "conversation_id",
        "metadata",
        "id",
        "provider_name",
        "provider_details",
    }
)
TRANSPORT_SETTINGS: Final = frozenset({"timeout", "request_timeout", "max_retries"})


def fingerprint(
    model: str,
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> str:
    """Return the hex SHA-256 of a request's canonical form."""
    canonical = {
        "model": model,
        "messages": canonical_messages(messages),
        "settings": {k: v for k, v in (settings or {}).items() if k not in TRANSPORT_SETTINGS},
        "tools": [_canonical_tool(tool) for tool in parameters.function_tools],
        "outputs": [_canonical_tool(tool) for tool in parameters.output_tools],
        "output_mode": parameters.output_mode,
        "allow_text": parameters.allow_text_output,
        "instructions": [part.content for part in parameters.instruction_parts or ()],
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_messages(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    """Reduce messages to what a model reads of them."""
    order: dict[str, int] = {}
    dumped = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    reduced = []
    for message in dumped:
        kept = {name: message[name] for name in MESSAGE_FIELDS if message.get(name) is not None}
        kept["parts"] = [_canonical_part(part, order) for part in message["parts"]]
        reduced.append(kept)
    return reduced


def _canonical_part(part: Mapping[str, Any], order: dict[str, int]) -> dict[str, Any]:
    kept = {k: v for k, v in part.items() if k not in VOLATILE_FIELDS and v is not None}
    if "tool_call_id" in kept:
        kept["tool_call_id"] = order.setdefault(kept["tool_call_id"], len(order))
    return kept


def _canonical_tool(tool: ToolDefinition) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "schema": tool.parameters_json_schema,
    }
