"""Quotations answer the question, are verbatim, and do not repeat each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.llm.offline.prompt import Excerpt
from nexus.llm.offline.quoting import choose_quotes, clauses_of, unanswered

TEA = Excerpt(
    "# Tea\n\nTea is grown in **Assam** and in Kenya. It needs rain all year.\n\n"
    "| a | b |\n| - | - |\n\nThe price of tea fell in 2020. Prices fell for tea in 2020 too.",
    "Plants",
    "Tea",
)
COFFEE = Excerpt(
    "Coffee is grown in Brazil. Its beans are roasted before they are sold.", "Plants", "Coffee"
)


def test_the_best_sentence_is_quoted_with_its_source() -> None:
    (first, *_) = choose_quotes("Where is tea grown?", [COFFEE, TEA])
    texts = [quote.text for quote in choose_quotes("Where is tea grown?", [COFFEE, TEA])]
    assert texts[-1].startswith("Tea is grown in Assam and in Kenya.")
    assert first.source in ("[Plants, Coffee]", "[Plants, Tea]")


def test_a_sentence_that_leans_brings_the_one_before() -> None:
    (quote,) = choose_quotes("rain year", [TEA], most=1)
    assert quote.text == "Tea is grown in Assam and in Kenya. It needs rain all year."


def test_near_repeats_are_left_out() -> None:
    texts = [quote.text for quote in choose_quotes("Why did the price of tea fall in 2020?", [TEA])]
    assert sum("2020" in text for text in texts) == 1


def test_related_words_answer_too() -> None:
    fed = Excerpt("Gentoos feed close to the shore. Stones are scarce on the island.", "Birds", "")
    assert choose_quotes("What do they eat?", [fed])[0].text.startswith("Gentoos feed")


def test_nothing_is_quoted_when_nothing_fits() -> None:
    assert choose_quotes("quantum gravity", [TEA, COFFEE]) == []
    assert unanswered("tea gravity", [TEA]) == ["grav"]


def test_a_question_is_parted_where_it_asks_anew() -> None:
    assert clauses_of("What do they eat, and how do they nest?") == [
        "What do they eat",
        "how do they nest?",
    ]


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=400), max_size=5))
def test_quotes_are_verbatim_whatever_the_text(question: str, texts: list[str]) -> None:
    for quote in choose_quotes(question, [Excerpt(text, "T", "") for text in texts]):
        assert len(quote.text) <= 1_300
        assert quote.source == "[T]"
