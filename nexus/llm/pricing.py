"""What replies use and cost, by the price list that comes with genai-prices.

Called when a call is reserved and when a reply is recorded. A model that is in no list has no
known price, not a price of zero.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from genai_prices import Usage as Tokens
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart

from nexus.domain.money import to_pico
from nexus.domain.seam import Usage
from nexus.errors import InvalidInput
from nexus.llm.counting import tokens_in
from nexus.llm.naming import OFFLINE, ModelName, parse_chain

FREE: Final = frozenset({OFFLINE, "ollama"})
"""What runs on the installation's own machine."""


def usage_of(response: ModelResponse, model: str, tokens_asked: Callable[[], int]) -> Usage:
    """Count a reply: one request, its tokens, its cost if the price is known.

    Args:
        model: the model or chain that was asked. Servers call their models as they like: what
            a name of their own has no price for costs what was asked for does.
        tokens_asked: estimates the request's tokens, for a server that does not count them.
    """
    used = response.usage
    asked, given = used.input_tokens, used.output_tokens
    is_counted = bool(asked or given)
    if not is_counted:
        asked, given = tokens_asked(), tokens_in(_written(response))
    cost = _cost_of(response, is_counted)
    if cost is None:
        cost = price_of(model, asked, given)
    return Usage(requests=1, input_tokens=asked, output_tokens=given, cost_pico_usd=cost)


def price_of(model: str, input_tokens: int, output_tokens: int) -> int | None:
    """Return in pico-dollars what so many tokens cost; None: unknown. Of a chain, the dearest known."""
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
    if not _is_listed(link.model, link.provider, None):
        return None
    used = Tokens(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        found = calc_price(used, model_ref=link.model, provider_id=link.provider)
    except (LookupError, ValueError):
        return None
    return to_pico(found.total_price)


def _cost_of(response: ModelResponse, is_counted: bool) -> int | None:
    """Return the price of a reply by what its server says of it."""
    if response.provider_name in FREE or response.model_name == OFFLINE:
        return 0
    name, provider, url = response.model_name, response.provider_name, response.provider_url
    if not name or not is_counted:
        return None
    if not _is_listed(name, provider, None) and not (url and _is_listed(name, None, url)):
        return None
    try:
        return to_pico(response.cost().total_price)
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=1_000)
def _is_listed(model: str, provider: str | None, url: str | None) -> bool:
    """Say whether the list has a model; it would search the whole of itself each time for one it has not."""
    try:
        get_snapshot().find_provider_model(model, None, provider, url)
    except LookupError:
        return False
    return True


def _written(response: ModelResponse) -> str:
    texts = [part.content for part in response.parts if isinstance(part, TextPart | ThinkingPart)]
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    return "\n".join([*texts, *(f"{one.tool_name} {one.args_as_json_str()}" for one in calls)])
