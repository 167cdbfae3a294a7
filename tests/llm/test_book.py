"""Naming models and finding the default."""

import json
from typing import Any

import pytest

from nexus.errors import InvalidInput, Misconfigured, NexusError, PermanentFailure, TransientFailure
from nexus.llm.access import Access
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, settings
from tests.llm.asking import ask
from tests.scripted_model import HangUp, Raw, ScriptedModel, error


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "offline"),
        ({"groq_api_key": "k", "openai_api_key": "k"}, "groq:openai/gpt-oss-120b"),
        ({"openai_api_key": "k", "anthropic_api_key": "k"}, "openai:gpt-6.1-terra"),
        ({"anthropic_api_key": "k", "mistral_api_key": "k"}, "anthropic:claude-sonnet-5-5"),
        ({"google_api_key": "k", "mistral_api_key": "k"}, "google:gemini-3.8-flash"),
        ({"mistral_api_key": "k"}, "mistral:mistral-medium-latest"),
        ({"openai_base_url": "http://127.0.0.1:1/v1"}, "offline"),
        ({"model": "ollama:llama3", "groq_api_key": "k"}, "ollama:llama3"),
    ],
)
def test_the_default(values: dict[str, Any], name: str) -> None:
    assert ModelBook(settings(**values)).default_name == name


async def test_a_reachable_ollama_is_the_default(server: ScriptedModel) -> None:
    book = ModelBook(settings(ollama_base_url=server.base_url))
    assert await book.choose() == "ollama:scripted"
    assert book.default_name == "ollama:scripted"


@pytest.mark.parametrize("address", ["http://o:11434", "http://o:11434/", "http://o:11434/v1/"])
def test_the_address_of_an_ollama_may_be_its_own(address: str) -> None:
    assert Access(settings(ollama_base_url=address)).base_url("ollama") == "http://o:11434/v1"


async def test_ollama_is_looked_for_once_a_minute() -> None:
    async with ScriptedModel() as late:
        base_url, port = late.base_url, late.port
    book = ModelBook(settings(ollama_base_url=base_url))
    assert await book.choose() == "offline"
    async with ScriptedModel(port=port):
        assert await book.choose() == "offline"


async def test_without_ollama_the_default_is_offline() -> None:
    book = ModelBook(settings(ollama_base_url="http://127.0.0.1:9/v1"))
    assert await book.choose() == "offline"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("groq:llama", "GROQ_API_KEY"),
        ("openai:gpt", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("google:gemini", "GOOGLE_API_KEY"),
        ("mistral:small", "MISTRAL_API_KEY"),
        ("offline,groq:llama", "GROQ_API_KEY"),
        ("acme:big", "unknown model provider"),
        ("gpt-4", "unknown model provider"),
        ("", "unknown model provider"),
        ("openai:", "no model of openai is named"),
        (",".join(["offline"] * 9), "too long"),
    ],
)
def test_a_name_that_cannot_work_is_refused(name: str, said: str) -> None:
    book = ModelBook(settings())
    with pytest.raises(InvalidInput, match=said):
        book.check(name)
    with pytest.raises(InvalidInput, match=said):
        book.resolve(name)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"openai_api_key": "schlüssel"}, "OPENAI_API_KEY holds characters"),
        ({"openai_base_url": "localhost:8080/v1"}, "OPENAI_BASE_URL is not an address"),
    ],
)
def test_a_key_or_address_that_cannot_work_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ModelBook(settings(**values)).check("openai:gpt")


def test_a_default_that_cannot_work_names_the_variable() -> None:
    with pytest.raises(Misconfigured, match=r"NEXUS_MODEL.*GROQ_API_KEY"):
        ModelBook(settings(model="groq:llama")).resolve()


def test_a_base_url_needs_no_key() -> None:
    ModelBook(settings(openai_base_url="http://127.0.0.1:1/v1")).check("openai:local")


async def test_models_are_cached_and_closed(server: ScriptedModel, book: ModelBook) -> None:
    assert book.resolve("openai:a") is book.resolve("openai:a")
    assert await ask(book, "hello") == "ok"
    await book.close()
    assert await ask(book, "hello") == "ok"


@pytest.mark.parametrize(
    "broken", [error(500), error(401), error(429), HangUp(), Raw(body="{}"), Raw(body="<html>")]
)
async def test_a_chain_goes_on_to_the_next_model(
    broken: Any, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: broken if request["model"] == "first" else "second speaks"
    assert await ask(book, "hello", model="openai:first,openai:second") == "second speaks"
    assert server.calls == 2


@pytest.mark.parametrize(
    ("first", "second", "kind", "wait"),
    [
        (error(401), error(404), PermanentFailure, None),
        (error(401), error(429, retry_after="9"), TransientFailure, 9.0),
        (error(429, retry_after="9"), error(429, retry_after="3"), TransientFailure, 3.0),
        (error(429, retry_after="9"), error(500), TransientFailure, None),
    ],
)
async def test_a_chain_that_fails_says_why_of_each(
    first: Raw,
    second: Raw,
    kind: type[NexusError],
    wait: float | None,
    server: ScriptedModel,
    book: ModelBook,
) -> None:
    server.script = lambda request: first if request["model"] == "a" else second
    with pytest.raises(kind, match=r"openai:a at 127\.0\.0\.1.*openai:b at 127\.0\.0\.1") as found:
        await ask(book, "hello", model="openai:a,openai:b")
    assert getattr(found.value, "retry_after_seconds", None) == wait


async def test_no_model_call_is_retried_by_the_sdk(server: ScriptedModel, book: ModelBook) -> None:
    server.script = lambda request: error(500)
    with pytest.raises(TransientFailure):
        await ask(book, "hello", DictSeam())
    assert server.calls == 1


async def test_a_server_without_a_key_gets_a_placeholder(
    server: ScriptedModel, book: ModelBook
) -> None:
    await ask(book, "hello")
    assert server.headers[0]["authorization"] == "Bearer no-key"
    assert json.dumps(server.requests[0])
