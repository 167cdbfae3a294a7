"""Tokens, stems and sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.llm.offline.words import sentences, shorten, stem, subjects, tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [("measures", "measurement"), ("penguins", "penguin"), ("nesting", "nests"), ("boxes", "box")],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_stopwords_and_numbers_say_nothing() -> None:
    assert subjects("How do the 3 species differ, and how?") == ["specy", "differ"]


def test_scripts_without_spaces_give_pairs() -> None:
    assert tokens("南極のペンギン")[:2] == ["南極", "極の"]


def test_sentences_keep_abbreviations_initials_and_decimals_whole() -> None:
    text = "Dr. K. Gorman measured 3.5 kg, i.e. little. Was it (cf. Table 2) enough? 'Yes.' It was!"
    assert sentences(text) == [
        "Dr. K. Gorman measured 3.5 kg, i.e. little.",
        "Was it (cf. Table 2) enough?",
        "'Yes.'",
        "It was!",
    ]


def test_sentences_of_other_scripts() -> None:
    assert sentences("ペンギンは鳥です。魚ではない。") == ["ペンギンは鳥です。", "魚ではない。"]


@settings(deadline=None)
@given(st.text(), st.integers(min_value=1, max_value=80))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, limit: int) -> None:
    assert "".join(" ".join(sentences(text)).split()) == "".join(text.split())
    assert len(shorten(text, limit)) <= limit
