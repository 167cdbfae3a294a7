"""Tests wait on conditions, skip nothing and imitate nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.sources import name_of, python_files, tree_of

LONGEST_REST_SECONDS: Final = 0.1
WAYS_OUT: Final = {"skip", "skipif", "xfail", "importorskip"}
FOREVER_SECONDS: Final = 60.0
"""A sleep this long is work that never ends, there to be cancelled or killed."""


def _calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def _rests(call: ast.Call, name: str) -> bool:
    if name not in {"asyncio.sleep", "time.sleep", "sleep"} or not call.args:
        return False
    length = call.args[0]
    if not isinstance(length, ast.Constant) or not isinstance(length.value, int | float):
        return False
    return LONGEST_REST_SECONDS <= length.value < FOREVER_SECONDS


def test_no_test_waits_on_the_clock() -> None:
    wrong = [
        f"{name_of(path)}:{call.lineno} {ast.unparse(call)}"
        for path in python_files("tests")
        for call, name in _calls(path)
        if _rests(call, name)
    ]
    assert wrong == []


def test_no_test_is_left_out() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for path in python_files("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in WAYS_OUT
        and ast.unparse(node.value).startswith("pytest")
    ]
    assert wrong == []


def test_nothing_is_mocked() -> None:
    wrong = [
        name_of(path)
        for path in python_files("tests")
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.ImportFrom) and node.module == "unittest.mock")
        or (isinstance(node, ast.Name) and node.id in {"Mock", "MagicMock", "AsyncMock"})
    ]
    assert wrong == []
