"""A model on a server: its window, its limiter, one deadline, every failure in our words.

Made by the model book around each network model, so that a chain can go on to the next one.
"""

import asyncio
from dataclasses import replace
from typing import Final

from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from nexus.errors import NexusError, NotNow, PermanentFailure, TransientFailure
from nexus.llm.failures import GARBAGE, explain
from nexus.llm.fitting import EXCEEDED, Fitted, estimate, fit, refusal
from nexus.llm.headers import HEARD, read_limit
from nexus.llm.limiter import PERMIT, Limiter, Permit
from nexus.llm.overflow import Overflow, read_overflow
from nexus.llm.windows import Window

FITTED: Final = "fitted"
"""Where a reply's metadata say what was left out of its request."""
MOST_FITTINGS: Final = 4
"""A server that tells its window is asked twice; without a number it is found by halving."""


class ServedModel(WrapperModel):
    """Wraps one model of one server.

    Args:
        timeout_seconds: for the whole request; a server that sends a byte now and then
            satisfies every timeout of a socket and none of ours.
        has_next: another model of a chain follows, so this one may be passed over.
    """

    def __init__(
        self,
        wrapped: Model,
        *,
        name: str,
        timeout_seconds: float,
        limiter: Limiter,
        window: Window,
        has_next: bool = False,
    ) -> None:
        super().__init__(wrapped)
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._limiter = limiter
        self.window = window
        self._has_next = has_next

    async def enter(self) -> Permit:
        """Obtain the right to one request.

        Raises:
            NotNow: the model's rate limit lets none through.
            TransientFailure: it failed again and again, and the chain has another.
        """
        if self._has_next and self._limiter.is_broken():
            raise TransientFailure(
                f"the model {self._name} failed several times in a row and is left alone for a while",
                hint="see what the model's server says, then retry",
                code="model_unavailable",
            )
        return await self._limiter.enter()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model once, with what fits its window; again when that turns out to be smaller.

        Raises:
            NotNow: its rate limit is reached.
            TransientFailure: out of reach, too slow, failing, or answering nonsense.
            PermanentFailure: the key, the model's name or the request is refused, or too long.
        """
        for _ in range(MOST_FITTINGS):
            given = (model_settings, model_request_parameters)
            fitted = await fit(messages, *given, self.window, self._name)
            try:
                response = await self._ask(fitted.messages, *given)
            except PermanentFailure as wrong:
                overflow = read_overflow(wrong.__cause__) if wrong.reason == EXCEEDED else None
                if overflow is None:
                    raise
                refused = wrong
                if self._learns(overflow, fitted, messages, model_request_parameters):
                    continue
                break
            self.window.hear(response.usage.input_tokens, fitted.tokens)
            if fitted.told is None:
                return response
            return replace(response, metadata={**(response.metadata or {}), FITTED: fitted.told})
        raise refusal(messages, model_request_parameters, self.window, self._name) from refused

    def _learns(
        self,
        overflow: Overflow,
        fitted: Fitted,
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
    ) -> bool:
        """Take in why a request was too long; False: there is nothing new in it."""
        tokens = fitted.tokens or estimate(messages, parameters, self.window)
        return self.window.learn(overflow, tokens)

    async def _ask(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        permit = PERMIT.get()
        if permit is None or permit.limiter is not self._limiter:
            permit = await self.enter()
        PERMIT.set(None)
        heard = HEARD.set([])
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self.wrapped.request(
                    messages, model_settings, model_request_parameters
                )
            await self._limiter.heard(*read_limit(HEARD.get()))
            return response
        except TransientFailure as wrong:
            await self._note(wrong)
            raise
        except (AgentRunError, UserError, OSError, *GARBAGE) as error:
            raise await self._note(explain(error, self._name, self.wrapped.base_url)) from error
        finally:
            HEARD.reset(heard)
            await permit.give_back()

    async def _note(self, wrong: NexusError) -> NexusError:
        """Tell the limiter of a failure; a refusal without a time gets one.

        A failing server that names a time is left alone until then, by every worker.
        """
        if isinstance(wrong, NotNow):
            seconds = wrong.retry_after_seconds
            if seconds is None:
                _, seconds = read_limit(HEARD.get())
            wrong.retry_after_seconds = await self._limiter.refused(seconds)
        elif isinstance(wrong, TransientFailure):
            self._limiter.failed()
            if wrong.retry_after_seconds is not None:
                await self._limiter.refused(wrong.retry_after_seconds)
        return wrong


async def enter_any(models: tuple[Model, ...]) -> Permit | None:
    """Obtain the right to ask the first of a chain that may be asked; None: nothing to obtain.

    Raises:
        NotNow: every model that could be asked is at its limit.
    """
    limits: list[NotNow] = []
    for model in models:
        if not isinstance(model, ServedModel):
            return None
        try:
            return await model.enter()
        except NotNow as limit:
            limits.append(limit)
        except TransientFailure:
            continue
    raise min(limits, key=lambda limit: limit.retry_after_seconds or 0.0)
