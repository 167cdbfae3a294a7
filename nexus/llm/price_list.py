"""Prices before anything is asked, from the list that comes with genai-prices.

Called for estimates. What replies have cost is counted in `pricing`, from the same list.
"""

from dataclasses import dataclass

from genai_prices import Usage, calc_price

from nexus.domain.estimating import Load
from nexus.domain.money import to_pico
from nexus.llm.naming import OFFLINE, parse_chain


@dataclass(frozen=True, slots=True)
class Priced:
    """A load at a model, what it costs in pico-dollars (None: unknown), and a word on that."""

    load: Load
    cost_pico_usd: int | None
    note: str


def price(model: str, load: Load) -> Priced:
    """Price a load at the first model of a chain.

    A price that is in no list is unknown, not zero.
    """
    first = parse_chain(model)[0]
    if first.provider == OFFLINE:
        nothing = "The offline model costs nothing and counts no tokens."
        return Priced(Load(load.calls), 0, nothing)
    if first.provider == "ollama":
        return Priced(load, 0, f"{first} runs on a machine of yours and costs nothing.")
    used = Usage(input_tokens=load.input_tokens, output_tokens=load.output_tokens)
    try:
        cost = calc_price(used, first.model, provider_id=first.provider)
    except (LookupError, ValueError):
        unknown = f"The price of {first} is in no list, so the cost is unknown, not nothing."
        return Priced(load, None, unknown)
    return Priced(load, to_pico(cost.total_price), f"Prices are those listed for {first}.")
