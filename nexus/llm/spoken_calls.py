"""Tool calls that come as text: small models write them down instead of making them.

Called where a reply of an installation's own server is recorded. Only a reply that is nothing
but calls of tools that were offered counts; words around it make it an answer like any other.
"""

import json
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters

TAGGED: Final = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)
FENCED: Final = re.compile(r"```[A-Za-z]*\s*\n(.*?)\n\s*```", re.DOTALL)
GIVEN: Final = ("arguments", "parameters", "args")
MOST_CALLS: Final = 16


def heard(response: ModelResponse, parameters: ModelRequestParameters) -> ModelResponse:
    """Return the reply with the calls it writes down made into calls, or as it is."""
    offered = {tool.name for tool in (*parameters.function_tools, *parameters.output_tools)}
    if not offered or any(isinstance(part, ToolCallPart) for part in response.parts):
        return response
    said = [part for part in response.parts if isinstance(part, TextPart)]
    calls = _calls_in("".join(part.content for part in said), offered)
    if not calls:
        return response
    silent: list[ModelResponsePart] = [part for part in response.parts if part not in said]
    return replace(response, parts=[*silent, *calls])


def _calls_in(text: str, offered: Collection[str]) -> list[ToolCallPart]:
    """Read a text that is calls from its beginning to its end; none where it is not."""
    bare = text.strip()
    for around in (TAGGED, FENCED):
        if around.sub("", bare).strip() == "" and bare:
            parts = [match.group(1) for match in around.finditer(bare)]
            break
    else:
        parts = [bare]
    calls = [_call_in(part, offered) for part in parts[:MOST_CALLS]]
    return [call for call in calls if call] if all(calls) else []


def _call_in(text: str, offered: Collection[str]) -> ToolCallPart | None:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    inner = value.get("function")
    value = inner if isinstance(inner, dict) else value
    given = next((value[name] for name in GIVEN if name in value), None)
    if value.get("name") not in offered or not isinstance(given, dict | str):
        return None
    return ToolCallPart(value["name"], given)
