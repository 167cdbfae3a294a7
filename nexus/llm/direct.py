"""The OpenAI SDK's client with Chat Completions sent as they are given.

The SDK walks every request against its types to rename fields; what pydantic-ai hands it is
in wire form already, and the walk costs more than the rest of a call once a conversation is
long. Made by `llm/clients.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from openai import AsyncOpenAI, AsyncStream, NotGiven, Omit, not_given
from openai._base_client import make_request_options
from openai.resources.chat import AsyncChat
from openai.types.chat import ChatCompletion, ChatCompletionChunk


@dataclass(frozen=True, slots=True)
class DirectCompletions:
    """Stands in for the SDK's `chat.completions`, for requests in wire form."""

    client: AsyncOpenAI

    async def create(
        self,
        *,
        stream: bool = False,
        extra_headers: Mapping[str, str | Omit] | None = None,
        extra_body: object | None = None,
        **body: Any,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """POST one completion; see `AsyncCompletions.create` of the SDK."""
        seconds = body.pop("timeout", not_given)
        given = {name: value for name, value in body.items() if not isinstance(value, OMITTED)}
        answer: ChatCompletion | AsyncStream[ChatCompletionChunk] = await self.client.post(
            "/chat/completions",
            body={**given, "stream": stream},
            options=make_request_options(
                extra_headers=extra_headers,
                extra_body=extra_body,
                timeout=seconds,
                security={"bearer_auth": True},
            ),
            cast_to=ChatCompletion,
            stream=stream,
            stream_cls=AsyncStream[ChatCompletionChunk],
        )
        return answer


OMITTED = (Omit, NotGiven)


@dataclass(frozen=True, slots=True)
class DirectChat:
    """Stands in for the SDK's `chat`."""

    completions: DirectCompletions


class DirectOpenAI(AsyncOpenAI):
    """An SDK client whose chat completions skip the walk."""

    @cached_property
    def chat(self) -> AsyncChat:
        return cast(AsyncChat, DirectChat(DirectCompletions(self)))
