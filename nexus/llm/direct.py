"""The OpenAI SDK's client with Chat Completions sent as they are given, and streamed when that is of use.

The SDK walks every request against its types to rename fields; what pydantic-ai hands it is
in wire form already, and the walk costs more than the rest of a call once a conversation is
long. A streamed reply is put together again: who asked cannot tell. Made by `llm/clients.py`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import httpx2
from openai import APIStatusError, AsyncOpenAI, AsyncStream, NotGiven, Omit, not_given
from openai._base_client import make_request_options
from openai._models import construct_type
from openai._types import RequestOptions
from openai.resources.chat import AsyncChat
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from nexus.errors import TransientFailure
from nexus.llm.assembling import Assembly
from nexus.llm.listening import LISTENER, Listener

PATH: Final = "/chat/completions"
OMITTED: Final = (Omit, NotGiven)
STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}
REFUSING: Final = frozenset({400, 415, 422, 501})
"""Statuses of servers that do not know `stream` or `stream_options`."""
REFUSED_SECONDS: Final = 600.0
"""How long a server that streamed badly is asked for whole replies: it may only have had a bad start."""


@dataclass(slots=True)
class Streaming:
    """Whether and how one model's replies are streamed; what its server refuses is remembered a while.

    `first_seconds` is how long it may send nothing, at the start and in the middle: with it
    every reply is streamed, without it those that somebody hears.
    """

    where: str
    first_seconds: float | None = None
    is_known: bool = False  # a reply came as a stream, whole and counted
    refused_until: float = 0.0  # of time.monotonic

    def is_wanted(self, listener: Listener | None) -> bool:
        """Tell whether the next reply is to be streamed."""
        if listener is None and self.first_seconds is None:
            return False
        return time.monotonic() >= self.refused_until

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[asyncio.Timeout]:
        """Bound the silence inside; whoever hears something calls `heard`.

        Raises:
            TransientFailure: nothing came for too long.
        """
        limit = asyncio.timeout(self.first_seconds)
        try:
            async with limit:
                yield limit
        except TimeoutError as wrong:
            if not limit.expired():
                raise
            raise TransientFailure(
                f"{self.where} sent nothing for {self.first_seconds:g} seconds",
                hint="raise NEXUS_MODEL_FIRST_TOKEN_SECONDS if the model is slow, then retry",
                code="model_timeout",
            ) from wrong

    def heard(self, limit: asyncio.Timeout) -> None:
        """Begin to count the silence anew."""
        if self.first_seconds is not None:
            limit.reschedule(asyncio.get_running_loop().time() + self.first_seconds)

    def check(self, assembly: Assembly) -> None:
        """Make sure that a reply is whole, and remember what its server is able to.

        Raises:
            TransientFailure: it broke off.
            ValueError: it was no stream of pieces at all.
        """
        if not assembly.pieces:
            raise ValueError("a stream without a piece")
        if assembly.finish is None:
            self.doubt()
            raise self.broken()
        if assembly.usage is not None:
            self.is_known = True
        else:
            self.doubt()  # a reply whose tokens nobody counts is no bargain

    def broken(self, code: str = "model_stream_broken") -> TransientFailure:
        """Say that a reply is not whole."""
        return TransientFailure(
            f"{self.where} broke off in the middle of its reply",
            hint="see what the model's server says, then retry",
            code=code,
        )

    def doubt(self) -> None:
        """Ask for whole replies for a while, unless streams are known to come well."""
        if not self.is_known:
            self.refused_until = time.monotonic() + REFUSED_SECONDS


@dataclass(frozen=True, slots=True)
class DirectCompletions:
    """Stands in for the SDK's `chat.completions`, for requests in wire form."""

    client: AsyncOpenAI
    streaming: Streaming

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
        options = make_request_options(
            extra_headers=extra_headers,
            extra_body=extra_body,
            timeout=seconds,
            security={"bearer_auth": True},
        )
        listener = LISTENER.get()
        if not stream and self.streaming.is_wanted(listener):
            return await self._assemble(given, options, listener)
        return await self._post(given, options, stream)

    async def _post(
        self, given: dict[str, Any], options: RequestOptions, stream: bool = False
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        answer: ChatCompletion | AsyncStream[ChatCompletionChunk] = await self.client.post(
            PATH,
            body={**given, "stream": stream},
            options=options,
            cast_to=ChatCompletion,
            stream=stream,
            stream_cls=AsyncStream[ChatCompletionChunk],
        )
        return answer

    async def _assemble(
        self, given: dict[str, Any], options: RequestOptions, listener: Listener | None
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """Ask for a stream and return it whole, or what the server gives instead."""
        if listener is not None:
            listener.begin()
        try:
            async with self.streaming.patience() as limit:
                stream: AsyncStream[object] = await self.client.post(
                    PATH,
                    body={**given, **STREAMED},
                    options=options,
                    cast_to=cast(Any, object),
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
                async with stream:
                    return _completion(await self._read(stream, listener, limit))
        except APIStatusError as refused:
            if self.streaming.is_known or refused.status_code not in REFUSING:
                raise
        answer = await self._post(given, options)
        self.streaming.doubt()
        return answer

    async def _read(
        self, stream: AsyncStream[object], listener: Listener | None, limit: asyncio.Timeout
    ) -> object:
        if "json" in stream.response.headers.get("content-type", ""):
            self.streaming.doubt()
            try:
                return json.loads(await stream.response.aread())
            except httpx2.TransportError as wrong:
                raise self.streaming.broken("model_unreachable") from wrong
        assembly = Assembly()
        async for piece in stream:
            text, carries = assembly.add(piece)
            if carries:
                self.streaming.heard(limit)
            if listener is not None:
                listener.hear(text)
        self.streaming.check(assembly)
        return assembly.whole()


def _completion(value: object) -> ChatCompletion:
    """Build the SDK's reply object as unchecked as it does itself."""
    return cast(ChatCompletion, construct_type(value=value, type_=ChatCompletion))


@dataclass(frozen=True, slots=True)
class DirectChat:
    """Stands in for the SDK's `chat`."""

    completions: DirectCompletions


class DirectOpenAI(AsyncOpenAI):
    """An SDK client whose chat completions skip the walk."""

    streaming: Streaming

    @cached_property
    def chat(self) -> AsyncChat:
        return cast(AsyncChat, DirectChat(DirectCompletions(self, self.streaming)))
