"""The project's own files, as the gates read them."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.places import ROOT

FOLDERS: Final = ("nexus", "tests", "docs", "examples", "scripts", ".ci", "benchmarks")
TEXT: Final = {".py", ".md", ".toml", ".txt", ".json", ".mako", ".css", ".js", ".html", ".csv", ""}


def name_of(path: Path) -> str:
    """Name a file the way a reader would: from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def python_files(*folders: str) -> list[Path]:
    """List the Python files of some folders, and with none given those of the whole clone."""
    if not folders:
        return [
            *python_files("nexus", "tests", "benchmarks", "examples", "scripts"),
            *sorted(ROOT.glob("*.py")),
        ]
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def text_files() -> list[Path]:
    """List every text file that belongs to the project."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    found = [*inside, *ROOT.glob("*"), ROOT / ".env.example", ROOT / ".gitignore"]
    return sorted(
        path
        for path in found
        if path.is_file()
        and path.suffix in TEXT
        and path.name != ".env"
        and ".egg-info" not in str(path)
    )


def tree_of(path: Path) -> ast.Module:
    """Parse a Python file."""
    return ast.parse(path.read_text(), filename=name_of(path))


def comments_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and text of each comment."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
