"""Tells a Word document from other archives by the first bytes of a ZIP: the names of its parts.

`recognise` asks; nothing is unpacked. Source: section 4.3.7 of PKWARE's APPNOTE.
"""

import struct
from collections.abc import Iterator
from typing import Final

ZIP: Final = b"PK\x03\x04"
CONTENT_TYPES: Final = "[Content_Types].xml"
BODY: Final = "word/document.xml"
FOLDER: Final = "word/"

_HEADER: Final = struct.Struct("<4s2xH10xI4xHH")
_SIZE_FOLLOWS: Final = 0x08


def is_word(head: bytes) -> bool:
    """Tell whether an archive is a Word document, as far as its first bytes say."""
    names = set(_names(head))
    if BODY in names:
        return True
    return CONTENT_TYPES in names and any(name.startswith(FOLDER) for name in names)


def _names(head: bytes) -> Iterator[str]:
    """Go from part to part by their sizes; where a size is told after the part, look for the next."""
    at = 0
    while head.startswith(ZIP, at) and at + _HEADER.size <= len(head):
        _, flags, packed, name_length, extra_length = _HEADER.unpack_from(head, at)
        begin = at + _HEADER.size
        yield head[begin : begin + name_length].decode("utf-8", "replace")
        at = begin + name_length + extra_length
        at = head.find(ZIP, at) if flags & _SIZE_FOLLOWS and not packed else at + packed
        if at < 0:
            return
