"""What a request to a model is likely to use, before it is made: for the project's budget.

Asked only where there is a budget. An estimate that errs upwards: an answer without a cap of
its own is taken to be long.
"""

import json
from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from nexus.domain.seam import Need
from nexus.llm.counting import tokens_in
from nexus.llm.fingerprint import canonical_messages
from nexus.llm.pricing import price_of

ANSWER_TOKENS: Final = 1_024
"""Expected of an answer without a cap of its own."""


def need_of(
    model: str,
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    most: int | None = None,
) -> Need:
    """Estimate a request's tokens and cost; of a chain of models, the dearest known one's.

    Args:
        most: tokens of the widest window it may be sent to; longer ones are made to fit.
    """
    asked = tokens_asked(messages, parameters, most)
    answered = (settings or {}).get("max_tokens") or ANSWER_TOKENS
    return Need(asked + answered, price_of(model, asked, answered))


def tokens_asked(
    messages: Sequence[ModelMessage], parameters: ModelRequestParameters, most: int | None = None
) -> int:
    """Estimate the tokens of a request without its answer; `most` as for `need_of`."""
    tools = [
        (tool.name, tool.description, tool.parameters_json_schema)
        for tool in (*parameters.function_tools, *parameters.output_tools)
    ]
    text = json.dumps([canonical_messages(messages), tools], ensure_ascii=False)
    asked = tokens_in(text)
    return asked if most is None else min(asked, most)
