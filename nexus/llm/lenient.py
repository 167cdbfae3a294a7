"""Chat Completions as small servers write them: the fields that only OpenAI itself insists on may be missing.

Made by `llm/clients.py`. What carries the answer, its text and its tool calls, is still checked.
"""

from openai.types.chat import ChatCompletion
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai._chat_completions import LenientChatCompletion


class LenientChatModel(OpenAIChatModel):
    """An OpenAI-compatible model whose replies may lack ids, indexes, roles and types."""

    def _validate_completion(self, response: ChatCompletion) -> LenientChatCompletion:
        fill_gaps(response, self.model_name)
        return super()._validate_completion(response)


def fill_gaps(response: ChatCompletion, model: str) -> None:
    """Set the formal fields a server left out, in place."""
    _default(response, id="", object="chat.completion", model=model)
    for index, choice in enumerate(response.choices):
        _default(choice, index=index)
        _default(choice.message, role="assistant")
        for number, call in enumerate(choice.message.tool_calls or ()):
            _default(call, id=f"call_{number}", type="function")


def _default(part: object, **values: str | int) -> None:
    for name, value in values.items():
        if getattr(part, name, None) is None:
            setattr(part, name, value)
