"""What a reply used and cost, by the price list that comes with genai-prices.

Called when a reply is recorded. A model that is in no list has no known price, not a price of zero.
"""

from pydantic_ai.messages import ModelResponse

from nexus.domain.money import to_pico
from nexus.domain.seam import Usage
from nexus.llm.naming import OFFLINE

FREE = frozenset({OFFLINE, "ollama"})
"""What runs on the installation's own machine."""


def usage_of(response: ModelResponse) -> Usage:
    """Count a reply: one request, its tokens, its cost if the price is known."""
    used = response.usage
    return Usage(
        requests=1,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost_pico_usd=cost_of(response),
    )


def cost_of(response: ModelResponse) -> int | None:
    """Return the price of a reply in pico-dollars; None when it is unknown."""
    if response.provider_name in FREE or response.model_name == OFFLINE:
        return 0
    if not response.model_name:
        return None
    try:
        return to_pico(response.cost().total_price)
    except (LookupError, ValueError):
        return None
