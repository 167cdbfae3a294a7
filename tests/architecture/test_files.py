"""Every file is small, well named, and free of ways around the rules."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.sources import (
    comments_of,
    name_of,
    python_files,
    text_files,
    tree_of,
)
from tests.support.places import ROOT

MAX_LINES: Final = 300
JUNK_DRAWERS: Final = re.compile(r"^(utils?|helpers?|common|misc|shared|base|base_.*)$")
ESCAPES: Final = re.compile(r"type:\s*ignore|\bnoqa\b|ruff:|mypy:|pragma:|fmt:\s*(off|skip)")
REGISTRY: Final = re.compile(
    r"pypi\.org/simple|pythonhosted\.org|--(extra-)?index[-]url|--find[-]links"
)
REGISTRY_OPTIONS: Final = {"Makefile"}
WIDE: Final = {"Exception", "BaseException"}
BROAD_CATCHES: Final[frozenset[str]] = frozenset(
    {"nexus/orchestrator/runner.py", "nexus/routers/last_resort.py"}
)
"""The worker's task boundary and the last resort of HTTP; nowhere else is everything caught and kept."""


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_a_file_has_at_most_300_lines(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: split it by noun or act"


@pytest.mark.parametrize("path", python_files("nexus"), ids=name_of)
def test_a_module_says_what_its_job_is(path: Path) -> None:
    text = ast.get_docstring(tree_of(path))
    assert text, "the module has no docstring"
    assert len(text.splitlines()) <= 30, "the docstring is longer than a page"


def test_no_name_is_a_junk_drawer() -> None:
    names = [
        part for path in python_files() for part in (*path.relative_to(ROOT).parts[:-1], path.stem)
    ]
    assert sorted({name for name in names if JUNK_DRAWERS.match(name)}) == []


def test_no_class_has_an_empty_name() -> None:
    wrong = [
        f"{name_of(path)}: {node.name}"
        for path in python_files("nexus")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        and (
            node.name.endswith(("Handler", "Impl", "Helper", "Util"))
            or (node.name.endswith("Manager") and node.name != "ManagerAgent")
        )
    ]
    assert wrong == []


def test_no_comment_switches_a_rule_off() -> None:
    wrong = [
        f"{name_of(path)}:{line} {text}"
        for path in python_files()
        for line, text in comments_of(path)
        if ESCAPES.search(text)
    ]
    assert wrong == []


def _kinds(node: ast.AST) -> list[ast.expr | None]:
    """List what an except clause or a `suppress` names; None stands for a bare except."""
    if isinstance(node, ast.ExceptHandler):
        return list(node.type.elts) if isinstance(node.type, ast.Tuple) else [node.type]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return list(node.args)
    return []


def _raises_again(node: ast.AST) -> bool:
    """Tell whether a clause only tidies up: its last statement is a bare `raise`."""
    last = node.body[-1] if isinstance(node, ast.ExceptHandler) else None
    return isinstance(last, ast.Raise) and last.exc is None


def _broad_catches(path: Path) -> Iterator[int]:
    for node in ast.walk(tree_of(path)):
        if _raises_again(node):
            continue
        if any(
            kind is None or (isinstance(kind, ast.Name) and kind.id in WIDE)
            for kind in _kinds(node)
        ):
            yield getattr(node, "lineno", 0)


def test_everything_is_caught_in_two_places_only() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path in python_files("nexus")
        for line in _broad_catches(path)
        if name_of(path) not in BROAD_CATCHES
    ]
    assert wrong == []


def test_no_file_names_a_registry() -> None:
    wrong = [
        name_of(path)
        for path in text_files()
        if path != Path(__file__)
        and path.name not in REGISTRY_OPTIONS
        and REGISTRY.search(path.read_text(errors="replace"))
    ]
    assert wrong == []


def test_no_file_names_a_place_of_this_machine() -> None:
    places = {str(ROOT), sys.prefix} - {"/usr", "/"}
    wrong = [
        name_of(path)
        for path in text_files()
        if any(place in path.read_text(errors="replace") for place in places)
    ]
    assert wrong == []
