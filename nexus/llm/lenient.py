"""Chat Completions as small servers write them: the fields that only OpenAI itself insists on may be missing.

Made by `llm/clients.py`. What carries the answer, its text and its tool calls, is still checked.
"""

import json
from typing import Final

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionMessageFunctionToolCall
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai._chat_completions import LenientChatCompletion

MOST_TOKENS: Final = 10**9


class LenientChatModel(OpenAIChatModel):
    """An OpenAI-compatible model whose replies may lack ids, indexes, roles and types."""

    def _validate_completion(self, response: ChatCompletion) -> LenientChatCompletion:
        fill_gaps(response, self.model_name)
        return super()._validate_completion(response)


def fill_gaps(response: ChatCompletion, model: str) -> None:
    """Set the formal fields a server left out, in place."""
    _default(response, id="", object="chat.completion", model=model)
    if not isinstance(response.created, int):
        response.created = 0
    _mend_usage(response)
    for index, choice in enumerate(response.choices):
        _default(choice, index=index)
        choice.logprobs = None
        choice.message.role = "assistant"
        for number, call in enumerate(choice.message.tool_calls or ()):
            _default(call, id=f"call_{number}", type="function")
            if isinstance(call, ChatCompletionMessageFunctionToolCall):
                call.function.arguments = _as_text(call.function.arguments)


def _as_text(arguments: object) -> str:
    """Write a tool call's arguments as JSON text, which some servers send as an object."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps({} if arguments is None else arguments)


def _mend_usage(response: ChatCompletion) -> None:
    """Make the counts numbers that can be added up; one that is missing or absurd counts as 0."""
    usage = response.usage
    if usage is None:
        return
    if not isinstance(usage, CompletionUsage):
        response.usage = None
        return
    usage.prompt_tokens = _count(usage, "prompt_tokens")
    usage.completion_tokens = _count(usage, "completion_tokens")
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens


def _count(usage: CompletionUsage, name: str) -> int:
    given: object = getattr(usage, name, None)
    return given if isinstance(given, int) and 0 <= given <= MOST_TOKENS else 0


def _default(part: object, **values: str | int) -> None:
    for name, value in values.items():
        if getattr(part, name, None) is None:
            setattr(part, name, value)
