"""A model whose every request passes the seam: asked once, recorded, replayed ever after.

Made for each run of a model-driven agent, around a model of the book.
"""

import hashlib
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_ai.exceptions import AgentRunError, FallbackExceptionGroup, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from nexus.domain.seam import Call, CallKind, Json, Recorded, Seam
from nexus.errors import PermanentFailure
from nexus.llm.cleaning import clean
from nexus.llm.failures import explain
from nexus.llm.fingerprint import canonical_messages, fingerprint
from nexus.llm.limiter import PERMIT
from nexus.llm.listening import LISTENER, Voice
from nexus.llm.needs import need_of, tokens_asked
from nexus.llm.pricing import usage_of
from nexus.llm.served import FITTED, ServedModel, enter_any
from nexus.llm.spoken_calls import heard

CALL_ID_LENGTH = 9
"""Mistral takes ids of exactly nine letters and digits; everyone else takes those too."""


class JournalledModel(WrapperModel):
    """Wraps a model for one subtask; `name` is what the journal and its events call it.

    Args:
        hears_calls: tool calls that come as text are taken for calls; for own servers.
        voice: lets replies be heard while they are written; what is recorded is the same.
    """

    def __init__(
        self,
        wrapped: Model,
        seam: Seam,
        *,
        name: str,
        hears_calls: bool = False,
        voice: Voice | None = None,
    ) -> None:
        super().__init__(wrapped)
        self._voice = voice
        self._hears_calls = hears_calls
        self._seam = seam
        self._name = name

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Return the recorded reply to this request, asking the model if there is none.

        Raises:
            TransientFailure, PermanentFailure: the model could not be asked.
            Fenced, LimitReached: the seam let no request through.
        """

        async def ask(key: str) -> Recorded:
            listener = None if self._voice is None else await self._voice.listener(key)
            heard_by = LISTENER.set(listener)
            try:
                response = await self.wrapped.request(
                    messages, model_settings, model_request_parameters
                )
            except (AgentRunError, UserError, FallbackExceptionGroup) as error:
                raise explain(error, self._name, self.wrapped.base_url) from error
            finally:
                LISTENER.reset(heard_by)
            if self._hears_calls:
                response = heard(response, model_request_parameters)
            response = with_own_call_ids(response, f"{key}/{len(messages)}")
            told: Json = (response.metadata or {}).get(FITTED)
            usage = usage_of(
                response,
                self._name,
                lambda: tokens_asked(messages, model_request_parameters, widest(self.wrapped)),
            )
            return Recorded(dump(response), usage, fitted=told)

        async def enter() -> None:
            PERMIT.set(await enter_any(links_of(self.wrapped)))

        mark = fingerprint(self._name, messages, model_settings, model_request_parameters)
        call = Call(
            CallKind.MODEL,
            self._name,
            "",
            mark,
            request=legible(messages),
            need=lambda: need_of(
                self._name,
                messages,
                model_settings,
                model_request_parameters,
                widest(self.wrapped),
            ),
            enter=enter,
        )
        try:
            return load(await self._seam.call(call, ask))
        finally:
            permit = PERMIT.get()
            PERMIT.set(None)
            if permit is not None:
                await permit.give_back()


def links_of(model: Model) -> tuple[Model, ...]:
    """List the models of a chain in their order; one that is no chain is its only link."""
    return tuple(model.models) if isinstance(model, FallbackModel) else (model,)


def widest(model: Model) -> int | None:
    """Return the widest window of a chain; None where a link has none."""
    links = links_of(model)
    windows = [link.window.tokens for link in links if isinstance(link, ServedModel)]
    return max(windows) if len(windows) == len(links) else None


def with_own_call_ids(response: ModelResponse, seed: str) -> ModelResponse:
    """Rename the tool calls of a reply after `seed`: some servers number them anew in every reply.

    The journal keys a tool's result by the call's id, so within a subtask it must be unique.
    """
    parts = [
        replace(part, tool_call_id=_call_id(f"{seed}/{at}"))
        if isinstance(part, ToolCallPart)
        else part
        for at, part in enumerate(response.parts)
    ]
    return replace(response, parts=parts)


def _call_id(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:CALL_ID_LENGTH]


def dump(response: ModelResponse) -> Json:
    """Turn a reply into the JSON value the journal keeps."""
    value: list[Any] = ModelMessagesTypeAdapter.dump_python([response], mode="json")
    return clean({k: v for k, v in value[0].items() if v is not None})


def load(value: Json) -> ModelResponse:
    """Turn a journalled value into the reply it was.

    Raises:
        PermanentFailure: the record cannot be read, having been written by another version.
    """
    try:
        (message,) = ModelMessagesTypeAdapter.validate_python([value])
    except ValidationError as wrong:
        raise _unreadable() from wrong
    if not isinstance(message, ModelResponse):
        raise _unreadable()
    return message


def _unreadable() -> PermanentFailure:
    return PermanentFailure(
        "a recorded model reply cannot be read: another version of Nexus wrote it",
        hint="retry the project: it asks the model anew",
        code="journal_unreadable",
    )


def legible(messages: list[ModelMessage]) -> Json:
    """Show a person what is new in a request: everything after the reply before it."""
    last = max((at for at, m in enumerate(messages) if isinstance(m, ModelResponse)), default=-1)
    shown: list[Json] = []
    for message in canonical_messages(messages[last + 1 :]):
        if message.get("instructions") and last < 0:
            shown.append({"kind": "instructions", "content": message["instructions"]})
        shown += [
            {"kind": part["part_kind"], "content": part.get("content")} for part in message["parts"]
        ]
    return {"messages": shown, "after": last + 1}
