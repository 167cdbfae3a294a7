"""Rate limits, broken circuits and caps: who is asked, how often, and what waits."""

import asyncio

import pytest

from nexus.domain.rates import Admission
from nexus.errors import NotNow, TransientFailure
from nexus.llm.boards import Boards, Counter
from nexus.llm.book import ModelBook
from nexus.llm.limiter import FAILURES
from nexus.llm.quota import Quota
from nexus.llm.slow_start import SlowStart
from tests.agents.fakes import settings
from tests.llm.asking import ask
from tests.scripted_model import Raw, Reply, Script, ScriptedModel, error

OK = Raw(body='{"choices": [{"message": {"content": "yes"}}]}')
CHAIN = "openai:first,ollama:second"


def by_model(replies: dict[str, Reply]) -> Script:
    """Make a script that answers for several models."""
    return lambda request: replies[request["model"]]


async def test_a_limited_model_is_not_asked_again_before_its_time(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: error(429, retry_after="30")
    with pytest.raises(NotNow):
        await ask(book, "one")
    with pytest.raises(NotNow, match="asked again in") as found:
        await ask(book, "two")
    assert server.calls == 1
    assert 25 < (found.value.retry_after_seconds or 0) <= 30
    await book.close()


async def test_a_failing_server_that_names_a_time_is_left_alone_until_then(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: error(503, retry_after="30")
    with pytest.raises(TransientFailure, match="HTTP 503") as failed:
        await ask(book, "one")
    assert not isinstance(failed.value, NotNow)
    with pytest.raises(NotNow, match="asked again in"):
        await ask(book, "two")
    assert server.calls == 1
    await book.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"},
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2999-01-01T00:00:00Z",
        },
    ],
)
async def test_headers_close_the_limiter_before_a_refusal(
    headers: dict[str, str], server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=OK.body, headers=headers)
    assert await ask(book, "one") == "yes"
    with pytest.raises(NotNow) as found:
        await ask(book, "two")
    assert (server.calls, (found.value.retry_after_seconds or 0) > 80) == (1, True)


async def test_a_chain_leaves_a_limited_and_a_broken_first_model_alone(
    server: ScriptedModel,
) -> None:
    for reply, calls in ((error(429, retry_after="30"), 1), (error(500), FAILURES)):
        server.script = by_model({"first": reply, "second": OK})
        book = ModelBook(settings(openai_base_url=server.base_url, ollama_base_url=server.base_url))
        before = server.calls
        for number in range(FAILURES * 2):
            assert await ask(book, f"question {number}", model=CHAIN) == "yes"
        asked = [request["model"] for request in server.requests[before:]]
        assert (asked.count("first"), asked.count("second")) == (calls, FAILURES * 2)
        await book.close()


async def test_one_model_alone_is_asked_however_often_it_failed(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: error(500)
    for number in range(FAILURES * 2):
        with pytest.raises(TransientFailure):
            await ask(book, f"question {number}")
    assert server.calls == FAILURES * 2


async def test_a_cap_bounds_what_is_open_to_a_provider(server: ScriptedModel) -> None:
    release = asyncio.Event()

    async def wait(request: object) -> Reply:
        await release.wait()
        return OK

    server.script = wait
    book = ModelBook(settings(openai_base_url=server.base_url, provider_concurrency={"openai": 3}))
    asking = [
        asyncio.create_task(ask(book, f"q{number}", model=f"openai:m{number % 2}"))
        for number in range(8)
    ]
    await server.wait_for_calls(3)
    release.set()
    assert await asyncio.gather(*asking) == ["yes"] * 8
    assert server.max_open == 3
    await book.close()


def test_a_quota_learns_what_passes_and_gives_the_others_their_turn() -> None:
    quota = Quota()
    assert quota.admit(100.0, 0, 12) == Admission((0.0,) * 12, is_free=True)
    for _ in range(2):
        quota.refuse(100.1, 1.0)
    assert quota.admit(100.5, 0, 2).waits == pytest.approx((0.6, 0.6))
    waits = quota.admit(101.2, 0, 25).waits
    assert waits == pytest.approx((0.0,) * 10 + (1.0,) * 10 + (2.0,) * 5)
    assert quota.admit(200.0, 0, 50) == Admission((0.0,) * 50, is_free=True)  # forgotten


@pytest.mark.parametrize("most", [5, 10, 20, 50])
@pytest.mark.parametrize("known", [1, None])
def test_hardly_more_is_sent_than_passes_once_a_limit_is_known(
    most: int, known: int | None
) -> None:
    """A server with windows of a second, asked by everybody who may, over twenty of them."""
    quota = Quota()
    quota.admit(100.0, 0, known or most)
    quota.refuse(100.0, 1.0)
    passed = refused = 0
    for window in range(101, 121):
        asked = quota.admit(window + 0.01, 0, 500).waits.count(0.0)
        passed += min(asked, most)
        for _ in range(asked - most):
            refused += 1
            quota.refuse(window + 0.02, 1.0)
    assert refused <= (0.2 if known is None else 0.4) * passed
    assert passed >= 0.6 * 20 * most


def test_what_was_sent_before_the_refusal_was_heard_counts_as_passed() -> None:
    quota = Quota()
    quota.admit(100.0, 0, 5)
    quota.refuse(100.1, 1.0)
    quota.admit(100.2, 16, 0)
    assert quota.admit(101.2, 0, 50).waits.count(0.0) == 20


def test_a_burst_grows_with_its_answers_or_with_time_and_begins_anew_after_a_limit() -> None:
    start = SlowStart()
    start.used(100.0)
    widths = []
    for _ in range(10):
        widths.append(start.width())
        start.waited(in_time=True)
    assert widths == [2, 2, 2, 4, 4, 4, 8, 8, 8, 16]
    for _ in range(10):
        start.waited(in_time=False)
    assert start.width() == 16  # this process stood still: nothing is known of the server
    for _ in range(100):
        start.answered(None)
    assert start.width() == 30
    start.answered(3)
    assert start.width() == 3  # the server said what remains
    start.answered(None)
    start.used(150.0)
    assert start.width() == 30
    start.begin_anew()
    assert start.width() == 2
    start.answered(None)
    start.limit = 50
    start.used(300.0)
    assert start.width() == 2


async def test_while_no_limit_is_known_requests_are_counted_without_waiting() -> None:
    board = HeldBoard()
    counter = Counter("model", Boards(board))
    board.let_go.set()
    assert await counter.ask() == 0
    board.let_go.clear()
    assert [await counter.ask() for _ in range(3)] == [0, 0, 0]
    board.let_go.set()
    await counter.refuse(1.0)
    assert board.counted == [1, 3]
    assert board.refused == [1.0]
    board.free = False
    assert await counter.ask() == 7.0
    assert board.counted == [1, 3, 1]


class HeldBoard:
    """A board that answers when it is let."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.counted: list[int] = []
        self.refused: list[float] = []
        self.free = True

    async def admit(self, model: str, sent: int, count: int) -> Admission:
        await self.let_go.wait()
        self.counted.append(sent + count)
        return Admission((0.0 if self.free else 7.0,) * count, is_free=self.free)

    async def refuse(self, model: str, seconds: float) -> None:
        self.refused.append(seconds)
