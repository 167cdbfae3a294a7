"""What a document is made of before it is cut: blocks that know where they stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

NAME_CHARACTERS: Final = 200
"""Of a heading, a function or a key, in what says where a passage stands."""


@dataclass(frozen=True, slots=True)
class Prose:
    """Running text; `page` is its page number in a PDF, from 1."""

    text: str
    page: int | None = None
    is_markdown: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Source code, in whatever language."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a table, the header apart; every row as one line."""

    header: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """Pieces of structured data, each with the place it has there, such as `$.birds[3]`.

    They may be gone through more than once, and need not be in memory all at once.
    """

    records: Iterable[tuple[str, str]]


Block = Prose | Code | Table | Records


def has_text(block: Block) -> bool:
    """Tell whether there is anything in a block to be found."""
    if isinstance(block, Prose | Code):
        return bool(block.text.strip())
    if isinstance(block, Table):
        return bool(block.rows)
    return next(iter(block.records), None) is not None


def short(name: str) -> str:
    """Shorten a name that goes into a place: every passage below it has a copy."""
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
