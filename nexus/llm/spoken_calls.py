"""Tool calls that come as text: small models write them down instead of making them.

Called where a reply of an installation's own server is recorded. Only a reply that is nothing
but calls counts; words around it make it an answer like any other. A call of a tool that nobody
offered is one too, if it has nothing else in it: the model is told which tools there are.
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
OF_A_CALL: Final = frozenset({"name", "id", "type", *GIVEN})
NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}")
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
    name = value.get("name")
    if not isinstance(name, str) or not isinstance(given, dict | str):
        return None
    is_call = name in offered or (NAME.fullmatch(name) and OF_A_CALL.issuperset(value))
    return ToolCallPart(name, given) if is_call else None
