"""What searches see of a passage: its columns, and the value a row of them makes."""

from typing import Final

from nexus.memory.passages import Kept
from nexus.models.writing import Row

SHOWN: Final = (
    "p.id, p.document_id, d.title, p.locator, p.heading, p.text, p.tokens, p.embedding, "
    "p.vector, d.created_at"
)
"""Of a passage `p` and its document `d`."""


def kept_of(row: Row) -> Kept:
    """Make a passage of a row that begins with SHOWN."""
    passage_id, document_id, title, locator, heading, text, tokens, embedding, vector, at = row[:10]
    place = (title, locator, heading)
    return Kept(passage_id, document_id, *place, text, tokens, embedding, bytes(vector), at)
