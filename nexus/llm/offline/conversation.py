"""The conversation so far, reduced to what the rules need: the prompt and the tools' answers.

Called by `OfflineModel` at every request; never changes the messages.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    RetryPromptPart,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from nexus.llm.offline.prompt import SECTION, Prompt, read_prompt


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What one tool call gave back; `arguments` are those of the call."""

    tool: str
    arguments: dict[str, JsonValue]
    value: JsonValue
    failed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """A prompt, the tools' answers since, and how often a reply of ours was refused."""

    prompt: Prompt
    answers: tuple[ToolAnswer, ...]
    turns: int
    refusals: int

    def asked(self, tool: str) -> list[ToolAnswer]:
        """List the answers of one tool, in the order of the calls."""
        return [answer for answer in self.answers if answer.tool == tool]


def read_conversation(messages: Sequence[ModelMessage]) -> Conversation:
    """Find the latest prompt and what happened after it."""
    start, user = _find_prompt(messages)
    calls: dict[str, ToolCallPart] = {}
    answers: list[ToolAnswer] = []
    turns = refusals = 0
    for at, message in enumerate(messages[start:]):
        if isinstance(message, ModelResponse):
            turns += 1
            calls.update({p.tool_call_id: p for p in message.parts if isinstance(p, ToolCallPart)})
            continue
        for part in message.parts:
            if isinstance(part, ToolReturnPart):
                answers.append(_answer(part, calls.get(part.tool_call_id)))
                refusals += part.outcome == "retried"
            elif isinstance(part, RetryFeedbackPart | RetryPromptPart):
                refusals += 1
            elif at and isinstance(part, UserPromptPart):
                # Feedback about a reply is put to a model as a user prompt without our tags.
                refusals += 1
    return Conversation(read_prompt(_system(messages), user), tuple(answers), turns, refusals)


def _find_prompt(messages: Sequence[ModelMessage]) -> tuple[int, str]:
    """Return the index and text of the last tagged user prompt, else of the last one at all.

    Feedback about a refused reply may arrive as a user prompt too; it carries none of our tags.
    """
    found = [
        (index, _text(part))
        for index, message in enumerate(messages)
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart)
    ]
    tagged = [pair for pair in found if SECTION.search(pair[1])]
    return (tagged or found or [(0, "")])[-1]


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(item for item in part.content if isinstance(item, str))


def _system(messages: Sequence[ModelMessage]) -> str:
    lines: list[str] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            lines += [message.instructions or ""]
            lines += [part.content for part in message.parts if isinstance(part, SystemPromptPart)]
    return "\n".join(lines)


def _answer(part: ToolReturnPart, call: ToolCallPart | None) -> ToolAnswer:
    value = read_json(part.model_response_str())
    arguments = read_json(call.args_as_json_str()) if call else {}
    return ToolAnswer(
        tool=part.tool_name,
        arguments=arguments if isinstance(arguments, dict) else {},
        value=value,
        failed=part.outcome != "success" or (isinstance(value, dict) and bool(value.get("error"))),
    )


def read_json(text: str) -> JsonValue:
    """Read JSON where the text is JSON, and give the text itself where it is not."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
