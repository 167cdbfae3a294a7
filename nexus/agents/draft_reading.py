"""Find the plan in a model's reply: a tool call, plain JSON, fenced, wrapped, or with prose around it.

Pure; called by the ManagerAgent. Reads and opens what was written; judges nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from nexus.agents.drafting import NotAPlan
from nexus.agents.plan_schema import SUBMIT

FENCE: Final = re.compile(r"```[A-Za-z]*\s*\n(.*?)```", re.DOTALL)
MAX_BRACES: Final = 20
WRAPPERS: Final = (SUBMIT, "plan", "arguments", "parameters", "function", "input")
LISTS: Final = ("phases", "tasks")
TASK_FIELDS: Final = frozenset({"title", "agent", "instructions", "key", "depends_on"})
DECODER: Final = json.JSONDecoder(strict=False)
"""Takes line breaks inside texts, which models write and JSON forbids."""

Draft = dict[str, Any]


def read_reply(reply: ModelResponse) -> Draft:
    """Return the draft in a reply: the arguments of its call, else what its text holds.

    Raises:
        NotAPlan: there is none.
    """
    calls = [part for part in reply.parts if isinstance(part, ToolCallPart)]
    submitted = [call for call in calls if call.tool_name == SUBMIT]
    text = "".join(part.content for part in reply.parts if isinstance(part, TextPart))
    if submitted:
        given = submitted[-1].args
        return read_text(given) if isinstance(given, str) else _opened(given or {})
    if calls and not text.strip():
        named = calls[0].tool_name[:60]
        raise NotAPlan(f"There is no tool {named!r} here. Hand over the plan with {SUBMIT}.")
    if not text.strip():
        raise NotAPlan("The answer was empty. Write the plan.")
    if reply.finish_reason == "length":
        raise NotAPlan("The answer was cut off. Plan at most three tasks, in few words.")
    return read_text(text)


def read_text(text: str) -> Draft:
    """Find the plan in a text.

    Raises:
        NotAPlan: there is no JSON object in the text.
    """
    first: Draft | None = None
    for candidate in _candidates(text):
        opened = _opened(candidate)
        if any(name in opened for name in LISTS):
            return opened
        first = first or opened
    if first is None:
        raise NotAPlan(_what_is_wrong(text))
    return first


def _candidates(text: str) -> Iterator[Mapping[str, Any]]:
    """Read JSON wherever in a text it may begin: the whole, its fences, its braces and brackets."""
    places = islice(re.finditer(r"[{\[]", text), MAX_BRACES)
    for part in (text, *FENCE.findall(text), *(text[place.start() :] for place in places)):
        value = _value_in(part)
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list) and _are_tasks(value):
            yield {"tasks": value}


def _are_tasks(values: Sequence[object]) -> bool:
    return bool(values) and all(
        isinstance(one, dict) and len(TASK_FIELDS & one.keys()) > 1 for one in values
    )


def _opened(draft: Mapping[str, Any]) -> Draft:
    """Open what small models put around a plan: {"name": …, "arguments": {…}}, {"plan": {…}}."""
    while not any(name in draft for name in LISTS):
        inner = next((draft[name] for name in WRAPPERS if name in draft), None)
        if isinstance(inner, str):
            inner = _value_in(inner)
        if isinstance(inner, list):
            inner = {"tasks": inner}
        if not isinstance(inner, Mapping):
            break
        draft = inner
    opened = dict(draft)
    for name in LISTS:
        if isinstance(opened.get(name), str):  # a list written as text
            opened[name] = _value_in(opened[name])
    return opened


def _value_in(text: str) -> Any:
    try:
        value, _ = DECODER.raw_decode(text.strip())
    except (ValueError, RecursionError):
        return None
    return value


def _what_is_wrong(text: str) -> str:
    """Say why no JSON object can be read from a text."""
    start = text.find("{")
    if start < 0:
        return "No JSON was found in the answer. Answer with the plan as JSON."
    try:
        DECODER.raw_decode(text[start:])
    except json.JSONDecodeError as wrong:
        return f"The JSON in the answer cannot be read: {wrong}. Answer with JSON only."
    except RecursionError:
        return "The JSON in the answer is nested too deeply."
    return "No JSON object was found in the answer. Answer with the plan as JSON."
