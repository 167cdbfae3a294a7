"""A model on a server: one deadline over the whole request, every failure in our words.

Made by the model book around each network model, so that a chain can go on to the next one.
"""

import asyncio

from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from nexus.llm.failures import GARBAGE, explain


class ServedModel(WrapperModel):
    """Wraps one model of one server.

    Args:
        timeout_seconds: for the whole request; a server that sends a byte now and then
            satisfies every timeout of a socket and none of ours.
    """

    def __init__(self, wrapped: Model, *, name: str, timeout_seconds: float) -> None:
        super().__init__(wrapped)
        self._name = name
        self._timeout_seconds = timeout_seconds

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model once.

        Raises:
            TransientFailure: out of reach, too slow, limited, failing, or answering nonsense.
            PermanentFailure: the key, the model's name or the request is refused.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self.wrapped.request(
                    messages, model_settings, model_request_parameters
                )
        except (AgentRunError, UserError, TimeoutError, OSError, *GARBAGE) as error:
            raise explain(error, self._name, self.wrapped.base_url) from error
