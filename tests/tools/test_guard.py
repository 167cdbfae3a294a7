"""The guard: which calls a person has to allow, by policy, by address and by what was read."""

import pytest

from nexus.domain.consent import AskKind, Policy
from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.addresses import Addresses
from nexus.tools.guard import Guard
from nexus.tools.registry import Caution, ToolSpec, tools
from nexus.tools.spec import _spec_of


async def send(scope: object, to: str = "") -> Json:
    """Send something."""
    return to


def made(effect: Effect, caution: Caution = Caution.NONE) -> ToolSpec:
    """Describe a tool that is in no registry."""
    return _spec_of(send, effect, caution)


def guard(policy: Policy, *, is_tainted: bool = False, said: str = "") -> Guard:
    """Guard a task whose people said this."""

    async def trust() -> str:
        return said

    return Guard(policy, is_tainted=is_tainted, trust=trust)


FETCH = tools()["fetch_url"]
SEARCH = tools()["search_web"]
ASK = tools()["ask_person"]
UNSAFE, MARKED, PLAIN = (
    made(Effect.UNSAFE),
    made(Effect.READ, Caution.MARKED),
    made(Effect.IDEMPOTENT),
)


@pytest.mark.parametrize(
    ("policy", "is_tainted", "tool", "is_asked"),
    [
        (Policy.NONE, True, UNSAFE, False),
        (Policy.NONE, True, MARKED, False),
        (Policy.UNSAFE, False, UNSAFE, True),
        (Policy.UNSAFE, True, PLAIN, False),
        (Policy.OUTWARD, False, UNSAFE, False),
        (Policy.OUTWARD, True, UNSAFE, True),
        (Policy.OUTWARD, False, MARKED, True),
        (Policy.OUTWARD, True, PLAIN, False),
        (Policy.ALL, False, PLAIN, True),
        (Policy.ALL, False, UNSAFE, True),
        (Policy.ALL, False, SEARCH, True),
    ],
)
async def test_a_policy_says_which_calls_are_asked_about(
    policy: Policy, is_tainted: bool, tool: ToolSpec, is_asked: bool
) -> None:
    asked = await guard(policy, is_tainted=is_tainted).judge(tool, {})
    assert (asked is not None) == is_asked


async def test_what_is_read_outside_taints_a_task() -> None:
    watch = guard(Policy.OUTWARD)
    assert await watch.judge(UNSAFE, {}) is None
    watch.learn(SEARCH, [])
    assert await watch.judge(UNSAFE, {}) is not None


async def test_a_question_of_an_agent_is_put_as_it_is() -> None:
    asked = await guard(Policy.OUTWARD).judge(ASK, {"question": "Which colour?"})
    assert asked is not None
    assert (asked.kind, asked.question) == (AskKind.QUESTION, "Which colour?")
    with pytest.raises(ToolRefused, match="nobody is to be asked"):
        await guard(Policy.NONE).judge(ASK, {"question": "Which colour?"})
    with pytest.raises(ToolRefused, match="question"):
        await guard(Policy.OUTWARD).judge(ASK, {"query": "Which colour?"})


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("https://site.example/a", True),
        ("https://SITE.example/a/#top", True),
        ("https://www.site.example/b?page=2", True),
        ("https://other.example", True),
        (f"https://site.example/b?q={'x' * 80}", False),
        ("https://site.example.evil.example/a", False),
        ("https://site.example@evil.example/a", False),
        ("https://evil.example/site.example", False),
        ("ftp://evil.example/", False),
        ("http://[::1", False),
        ("", False),
    ],
)
async def test_addresses_come_from_people(url: str, is_known: bool) -> None:
    said = "Read https://site.example/a, and what stands on other.example."
    asked = await guard(Policy.OUTWARD, said=said).judge(FETCH, {"url": url})
    assert (asked is None) == is_known


def test_addresses_come_from_searches_and_from_the_links_of_pages() -> None:
    known = Addresses()
    known.add_found([{"title": "t", "url": "https://found.example/x?id=1&long=" + "y" * 90}])
    known.add_found(
        {
            "url": "https://found.example/page",
            "text": "see https://text.example/",
            "links": ["https://linked.example/z?a=1", "https://linked.example/?d=" + "x" * 90],
        }
    )

    assert known.knows("https://found.example/x?id=1&long=" + "y" * 90)
    assert known.knows("https://found.example/page/")
    assert known.knows("https://linked.example/z?a=1")
    assert not known.knows("https://linked.example/?d=" + "x" * 90)
    assert not known.knows("https://linked.example/elsewhere")
    assert not known.knows("https://text.example/")
