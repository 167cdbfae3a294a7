"""What readers refuse, and how much text they may make."""

from typing import Final

MAX_CHARACTERS: Final = 4_000_000
MAX_PAGES: Final = 2_000


class Unreadable(Exception):
    """The document cannot be read; the message ends a sentence that begins with its name."""


class Text:
    """Text that grows up to the limit of a document."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def add(self, part: str) -> None:
        """Append text.

        Raises:
            Unreadable: it is more than a document may have.
        """
        self._parts.append(part)
        self._length += len(part)
        if self._length > MAX_CHARACTERS:
            raise Unreadable(
                f"has more than the {MAX_CHARACTERS:,} characters a document may have; split it"
            )

    def __str__(self) -> str:
        return "".join(self._parts)
