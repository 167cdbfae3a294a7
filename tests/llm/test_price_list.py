"""Estimates of cost: what is unknown is unknown, not free."""

import pytest

from nexus.domain.estimating import Load
from nexus.domain.money import to_usd
from nexus.llm.price_list import price

LOAD = Load(10, 1_000_000, 100_000)


@pytest.mark.parametrize(
    ("model", "tokens", "said"),
    [("offline", 0, "counts no tokens"), ("ollama:llama3", 1_000_000, "a machine of yours")],
)
def test_what_runs_at_home_costs_nothing(model: str, tokens: int, said: str) -> None:
    priced = price(model, LOAD)
    assert (priced.cost_pico_usd, priced.load.input_tokens) == (0, tokens)
    assert said in priced.note


def test_a_listed_model_is_priced_the_first_of_a_chain() -> None:
    alone, chain = price("openai:gpt-4o-mini", LOAD), price("openai:gpt-4o-mini,groq:x", LOAD)
    assert alone == chain
    assert to_usd(alone.cost_pico_usd or 0) == "0.21"


def test_an_unlisted_model_has_no_price() -> None:
    priced = price("openai:my-own", LOAD)
    assert priced.cost_pico_usd is None
    assert "unknown, not nothing" in priced.note
