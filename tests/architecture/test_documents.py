"""What the documents say equals what the code does."""

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pytest

from nexus.domain import states
from nexus.domain.events import EVENTS
from nexus.settings import Settings
from tests.support.places import ROOT

CODE: Final = re.compile(r"`([^`]+)`")
LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
LONGEST: Final = {"README.md": 150, "ARCHITECTURE.md": 200}


def _rows(text: str) -> list[list[list[str]]]:
    """Read the table rows of a page: per row, per cell, the words in backticks."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[CODE.findall(cell) for cell in line.strip("|").split("|")] for line in lines]


def _section(page: Path, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)
    assert found, f"{page.name} has no section {title!r}"
    return found[1]


def _variables() -> list[str]:
    return [
        field.validation_alias
        if isinstance(field.validation_alias, str)
        else f"NEXUS_{name.upper()}"
        for name, field in Settings.model_fields.items()
    ]


@pytest.mark.parametrize("name", LONGEST)
def test_a_front_page_stays_short(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= LONGEST[name]


def test_env_example_has_every_setting_with_a_comment() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0]: before for before, line in itertools.pairwise(lines)}
    named = {name: before for name, before in named.items() if re.fullmatch("[A-Z_]+", name)}
    assert list(named) == _variables()
    assert [name for name, before in named.items() if not before.startswith("# ")] == []


def test_the_configuration_page_has_every_setting() -> None:
    rows = _rows((ROOT / "docs/reference/configuration.md").read_text())
    assert [row[0][0] for row in rows] == _variables()


@pytest.mark.parametrize(
    ("title", "moves"),
    [
        ("Project", states.PROJECT_MOVES),
        ("Task", states.TASK_MOVES),
        ("Subtask", states.SUBTASK_MOVES),
    ],
)
def test_the_lifecycle_page_has_every_move(title: str, moves: Mapping[str, Iterable[str]]) -> None:
    rows = _rows(_section(ROOT / "docs/reference/lifecycle.md", title))
    assert {row[0][0]: set(row[1]) for row in rows} == {
        str(state): {str(then) for then in following} for state, following in moves.items()
    }


def test_the_events_page_has_every_event_with_its_fields() -> None:
    rows = _rows((ROOT / "docs/reference/events.md").read_text())
    assert {row[0][0]: tuple(row[1]) for row in rows} == EVENTS


def test_the_map_equals_the_folders() -> None:
    package = ROOT / "nexus"
    folders = {path.parent for path in package.rglob("*.py")} - {package}
    modules = {path for path in package.glob("*.py") if path.name != "__init__.py"}
    rooms = {f"{path.relative_to(ROOT).as_posix()}/" for path in folders}
    files = {path.relative_to(ROOT).as_posix() for path in modules}
    rows = _rows(_section(ROOT / "ARCHITECTURE.md", "Map"))
    assert {name for row in rows for name in row[0]} == rooms | files


def test_every_link_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    wrong = [
        f"{page.name}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert wrong == []
