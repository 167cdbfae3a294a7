"""The roster and its plugins."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agents import Brief, Context, agent
from nexus.agents import roster as room
from nexus.agents.roster import load_plugins, plannable, roster
from nexus.errors import Misconfigured
from tests.agents.fakes import settings

SEVEN = ["manager", "research", "code", "content", "data", "qa", "memory"]


@pytest.fixture(autouse=True)
def clean_roster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(room, "_declared", {})
    yield


async def echo(brief: Brief, context: Context) -> str:
    return brief.instructions


def test_the_built_in_seven() -> None:
    assert list(roster()) == SEVEN
    assert list(plannable()) == SEVEN[1:]


def test_a_declared_agent_can_be_planned() -> None:
    agent("echo", description="Says it\nagain")(echo)
    assert roster()["echo"].description == "Says it again"
    assert roster()["echo"].run is echo
    assert "echo" in plannable()


@pytest.mark.parametrize("name", ["qa", "a b", "", "x" * 65])
def test_names_that_are_taken_or_malformed_are_refused(name: str) -> None:
    with pytest.raises(Misconfigured):
        agent(name, description="")(echo)


def test_two_plugins_cannot_share_a_name() -> None:
    async def other(brief: Brief, context: Context) -> str:
        return ""

    agent("echo", description="")(echo)
    agent("echo", description="again")(echo)
    with pytest.raises(Misconfigured, match=r"two agents are called 'echo'.*echo.*other"):
        agent("echo", description="")(other)


def test_a_plugin_beside_the_settings_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nexus_test_plugin.py").write_text(
        "from nexus.agents import Brief, Context, agent\n\n\n"
        "@agent('geocode', description='Finds coordinates')\n"
        "async def geocode(brief: Brief, context: Context) -> str:\n"
        "    return 'here'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    load_plugins(settings(plugins=("nexus_test_plugin",)))
    assert roster()["geocode"].description == "Finds coordinates"


@pytest.mark.parametrize(
    ("source", "said"), [("1 / 0", "ZeroDivisionError"), (None, "ModuleNotFoundError")]
)
def test_a_broken_plugin_is_named(
    source: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source:
        (tmp_path / "nexus_broken_plugin.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(Misconfigured, match=f"'nexus_broken_plugin' of NEXUS_PLUGINS.*{said}"):
        load_plugins(settings(plugins=("nexus_broken_plugin",)))


def test_the_roster_is_light() -> None:
    heavy = "pydantic_ai", "openai", "chromadb", "jinja2"
    code = (
        "import sys; from nexus.agents import Brief; from nexus.agents.roster import roster; roster();"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
