"""What a document is made of before it is cut: blocks that know where they stand."""

from dataclasses import dataclass


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
    """Pieces of structured data, each with the place it has there, such as `$.birds[3]`."""

    records: tuple[tuple[str, str], ...]


Block = Prose | Code | Table | Records


def has_text(block: Block) -> bool:
    """Tell whether there is anything in a block to be found."""
    if isinstance(block, Prose | Code):
        return bool(block.text.strip())
    return bool(block.rows if isinstance(block, Table) else block.records)
