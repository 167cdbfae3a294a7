"""What the documents say equals what the code does."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from nexus.cli.app import app as cli
from nexus.domain import states
from nexus.domain.deltas import DELTA, DELTA_FIELDS
from nexus.domain.events import EVENTS
from nexus.main import create_app
from nexus.services.reasons import Why
from nexus.settings import Settings
from tests.support.places import ROOT

CODE: Final = re.compile(r"`([^`]+)`")
LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
SCHEMA: Final = re.compile(r"^### (\w+)\n(.*?)(?=^### |\Z)", re.M | re.S)
UNSHOWN: Final = re.compile(
    "Page_|Body_|NoFields|JsonValue|Execution|OnRejection|HTTPValidationError|ValidationError"
)
"""Pages of a list, forms, and words that are described where they are used."""
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


def test_the_events_page_shows_words_while_they_are_written() -> None:
    said = _section(ROOT / "docs/reference/events.md", "Words while they are written")
    (message,) = re.findall(rf"^event: {DELTA}\ndata: (.+)$", said, re.MULTILINE)
    assert set(json.loads(message)["data"]) == set(DELTA_FIELDS)
    assert all(f"`{name}`" in said for name in DELTA_FIELDS)


def test_the_http_page_has_every_route() -> None:
    rows = _rows(_section(ROOT / "docs/reference/http-api.md", "Routes"))
    paths = create_app().openapi()["paths"]
    assert sorted(row[0][0] for row in rows) == sorted(
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    )


def test_the_http_page_has_every_field() -> None:
    page = (ROOT / "docs/reference/http-api.md").read_text()
    sections = dict(SCHEMA.findall(page))
    schemas = create_app().openapi()["components"]["schemas"]
    shown = {name: schema for name, schema in schemas.items() if not UNSHOWN.match(name)}
    assert {name: [row[0][0] for row in _rows(section)] for name, section in sections.items()} == {
        name: list(schema["properties"]) for name, schema in shown.items()
    }


def test_the_http_page_has_every_reason_of_a_diagnosis() -> None:
    page = (ROOT / "docs/reference/http-api.md").read_text()
    (code,) = [row for row in _rows(dict(SCHEMA.findall(page))["Reason"]) if row[0] == ["code"]]
    assert code[2] == [*Why]


def test_the_command_page_has_every_command_with_its_options() -> None:
    rows = _rows((ROOT / "docs/reference/command-line.md").read_text())
    listed = {" ".join(re.findall("[a-z]+", row[0][0])): row[1] for row in rows if row[0]}
    assert listed == dict(_commands(get_command(cli), "nexus"))


def _commands(command: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    parts = getattr(command, "commands", None)
    if parts is None:
        options = [each for each in command.params if each.param_type_name == "option"]
        yield path, [max(each.opts, key=len) for each in options if each.name != "help"]
        return
    for name, part in parts.items():
        yield from _commands(part, f"{path} {name}")


def test_the_map_equals_the_folders() -> None:
    package = ROOT / "nexus"
    folders = {path.parent for path in package.rglob("*.py")} - {package}
    modules = {path for path in package.glob("*.py") if path.name != "__init__.py"}
    rooms = {f"{path.relative_to(ROOT).as_posix()}/" for path in folders}
    files = {path.relative_to(ROOT).as_posix() for path in modules}
    rows = _rows(_section(ROOT / "ARCHITECTURE.md", "Map"))
    assert {name for row in rows for name in row[0]} == rooms | files


def test_every_file_the_guarantees_name_is_there() -> None:
    named = CODE.findall((ROOT / "docs/explanation/guarantees.md").read_text())
    tests = {part for text in named for part in text.split() if part.startswith("tests/")}
    code = {
        text
        for text in named
        if re.fullmatch(r"(orchestrator|services|models)/[\w/]+(\.py)?/?", text)
    }
    places = tests | {f"nexus/{one}" for one in code}
    assert len(tests) > 5
    assert sorted(one for one in places if not (ROOT / one).exists()) == []


def test_every_link_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    wrong = [
        f"{page.name}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert wrong == []
