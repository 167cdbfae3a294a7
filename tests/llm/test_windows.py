"""Where a model's window comes from, and what is learned of it."""

import json
from typing import Any

import pytest

from nexus.errors import Misconfigured
from nexus.llm.book import ModelBook
from nexus.llm.counting import tokens_in
from nexus.llm.naming import ModelName
from nexus.llm.overflow import Overflow
from nexus.llm.windows import Window
from nexus.settings import read_settings
from tests.agents.fakes import settings
from tests.llm.asking import ask
from tests.llm.small_window import small
from tests.scripted_model import Raw, ScriptedModel


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "gpt-4o", 128_000),
        ("anthropic", "claude-sonnet-4-5", 200_000),
        ("mistral", "a-model-nobody-lists", 32_768),
        ("ollama", "llama3", 4_096),
    ],
)
def test_a_window_is_listed_or_assumed(provider: str, model: str, tokens: int) -> None:
    assert Window(ModelName(provider, model)).tokens == tokens


def test_a_server_of_ones_own_is_not_the_model_that_is_listed() -> None:
    assert Window(ModelName("openai", "gpt-4o"), is_own=True).tokens == 32_768


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ollama=16384, openai=8192", {"ollama": 16_384, "openai": 8_192}),
        (
            "8192",
            dict.fromkeys(("groq", "openai", "anthropic", "google", "mistral", "ollama"), 8_192),
        ),
    ],
)
def test_the_setting_names_windows(
    written: str, read: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_CONTEXT_TOKENS", written)
    assert read_settings().context_tokens == read


@pytest.mark.parametrize("written", ["100", "llama=8192", "openai=many", "openai"])
def test_a_wrong_setting_is_refused(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_CONTEXT_TOKENS", written)
    with pytest.raises(Misconfigured, match="NEXUS_CONTEXT_TOKENS"):
        read_settings()


def test_a_refusal_teaches_the_window_and_how_tokens_are_counted() -> None:
    window = Window(ModelName("openai", "own"), is_own=True)
    before = window.count("x" * 1_000)
    assert window.learn(Overflow(4_096, 20_000), 10_000)
    assert window.tokens == 4_096
    assert window.count("x" * 1_000) > 2 * before - 5
    assert not window.learn(Overflow(4_096, 20_000), 20_500)


def test_without_a_number_the_window_is_found_by_halving() -> None:
    window = Window(ModelName("openai", "own"), is_own=True)
    assert window.learn(Overflow(), 9_000)
    assert 4_000 < window.tokens < 6_000


def test_a_provider_that_counts_more_raises_the_estimate() -> None:
    window = Window(ModelName("groq", "any"))
    window.hear(500, 100)  # too short to say anything
    assert window.factor == 1.0
    window.hear(3_000, 2_000)
    assert 1.5 <= window.factor < 1.6
    window.hear(100, 2_000)
    assert window.factor >= 1.5


def test_an_answer_with_a_cap_keeps_room_for_it() -> None:
    window = Window(ModelName("openai", "own"), said=4_096)
    assert window.room(None) == 3_072
    assert window.room(1_000) == 3_096
    assert window.room(3_000) == 2_048
    assert window.learn(Overflow(4_096, 2_000), 2_000)  # less than the window, and refused
    assert window.room(3_000) == 1_096


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 10, 100),
        ("企鹅在冬天产卵，雌雄轮流孵蛋。" * 10, 150),
        ("3.14159265358979323846264338327950288419716939937510", 25),
        ("aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgZGF0YQ==", 22),
        ("", 0),
    ],
)
def test_an_estimate_errs_upwards(text: str, least: int) -> None:
    assert least <= tokens_in(text) <= max(1, len(text.encode()))


async def test_ollama_is_asked_what_it_has_loaded(server: ScriptedModel) -> None:
    """It would cut a longer request without a word, so nothing longer is sent."""
    book = ModelBook(settings(model="ollama:llama3", ollama_base_url=server.base_url))
    server.script = small(lambda request: "fine", 16_384, _never)
    text = "A line of words that are spoken. " * 1_000
    prompt = f'<task key="a">\nSay.\n</task>\n<input task="b">\n{text.strip()}\n</input>'
    await ask(book, prompt)
    assert "window of 4,096 tokens]" in server.prompt()
    server.loaded = [{"name": "llama3:latest", "context_length": 16_384}]
    await ask(book, prompt)
    assert text.strip() in server.prompt()
    assert server.calls == 2
    await book.close()


def _never(asked: int, window: int) -> Raw:
    said: dict[str, Any] = {"asked": asked, "window": window}
    raise AssertionError(json.dumps(said))
