"""Opaque cursors: where a page ended, for the next one to begin."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from nexus.errors import FieldProblem, InvalidInput

MAX_NUMBER: Final = 2**63 - 1
MAX_ID: Final = 64


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: a number that orders it (a time, a position) and its id."""

    number: int
    id: str

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Decode a cursor a client sent back; None stays None.

        Raises:
            InvalidInput: it is not one of ours.
        """
        if text is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"==").decode("ascii")
            number, id_ = raw.split(":")
            found = cls(int(number), id_)
        except (ValueError, binascii.Error) as wrong:
            raise _refused() from wrong
        if not 0 <= found.number <= MAX_NUMBER or len(found.id) > MAX_ID or "\0" in found.id:
            raise _refused()
        return found

    def write(self) -> str:
        """Encode the cursor for the client."""
        raw = f"{self.number}:{self.id}".encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def before(
        self, number: InstrumentedAttribute[int], id_: InstrumentedAttribute[str]
    ) -> ColumnElement[bool]:
        """Build the condition for rows that come after this one, newest first."""
        return tuple_(number, id_) < tuple_(self.number, self.id)


def _refused() -> InvalidInput:
    return InvalidInput(
        "this cursor does not come from a list of this API",
        code="invalid_cursor",
        hint="send back the next_cursor of a page unchanged, or none",
        problems=(FieldProblem("cursor", "not a cursor of this API"),),
    )


def page_of(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], str | None]:
    """Cut rows read with `limit + 1` to a page; rows have `created_at` and `id`."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], Cursor(last.created_at, last.id).write()
