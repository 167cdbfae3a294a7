"""What a request to a model is likely to use, before it is made: for the project's budget.

Asked only where there is a budget. An estimate that errs upwards: an answer without a cap of
its own is taken to be long.
"""

import json
from collections.abc import Sequence
from typing import Final

from genai_prices import Usage, calc_price
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from nexus.domain.money import to_pico
from nexus.domain.seam import Need
from nexus.errors import InvalidInput
from nexus.llm.counting import tokens_in
from nexus.llm.fingerprint import canonical_messages
from nexus.llm.naming import ModelName, parse_chain
from nexus.llm.pricing import FREE

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
    tools = [
        (tool.name, tool.description, tool.parameters_json_schema)
        for tool in (*parameters.function_tools, *parameters.output_tools)
    ]
    text = json.dumps([canonical_messages(messages), tools], ensure_ascii=False)
    asked = tokens_in(text)
    if most is not None:
        asked = min(asked, most)
    answered = (settings or {}).get("max_tokens") or ANSWER_TOKENS
    return Need(asked + answered, price_of(model, asked, answered))


def price_of(model: str, input_tokens: int, output_tokens: int) -> int | None:
    """Return in pico-dollars what so many tokens cost at a model or a chain; None: unknown."""
    try:
        links = parse_chain(model)
    except InvalidInput:
        return None
    known = [
        price
        for price in (_price_of(link, input_tokens, output_tokens) for link in links)
        if price is not None
    ]
    return max(known, default=None)


def _price_of(link: ModelName, input_tokens: int, output_tokens: int) -> int | None:
    if link.provider in FREE:
        return 0
    used = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        found = calc_price(used, model_ref=link.model, provider_id=link.provider)
    except (LookupError, ValueError):
        return None
    return to_pico(found.total_price)
