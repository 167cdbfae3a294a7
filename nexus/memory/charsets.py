"""Names of encodings, as clients and servers say them, to the codecs that may read strangers' text.

Python knows more codecs than these, and not all of them end in time: `punycode` is quadratic.
Uploads, fetches and readers ask here; nothing here looks at a document's meaning.
"""

import codecs
from typing import Final

LONGEST_NAME: Final = 40

_TAKEN_FOR: Final = {
    "ascii": "utf-8",
    # Who says Latin-1 means Windows-1252. Source: https://encoding.spec.whatwg.org/#names-and-labels
    "iso8859-1": "cp1252",
}
_READ: Final = frozenset(
    (
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
        *("utf-32", "utf-32-le", "utf-32-be"),
        *(f"cp{number}" for number in range(1250, 1259)),
        *("cp437", "cp850", "cp852", "cp855", "cp858", "cp866", "cp874"),
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "mac-latin2", "tis-620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949"),
    )
)
# Those of UTF-32 first: that of little-endian UTF-16 is how one of them begins.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def codec_named(charset: str) -> str | None:
    """Name the codec that reads a charset, None for one that is unknown or not read."""
    if not charset.isascii() or not charset.isprintable() or len(charset) > LONGEST_NAME:
        return None
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return None
    name = _TAKEN_FOR.get(name, name)
    return name if name in _READ else None


def told_by(media_type: str | None) -> str | None:
    """Name the codec of the charset that a media type tells; None for none that is read."""
    for parameter in (media_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return codec_named(value.strip().strip("\"'"))
    return None


def marked_in(content: bytes) -> str | None:
    """Name the codec of the byte order mark that a text begins with; None without one."""
    return next((codec for mark, codec in _MARKS if content.startswith(mark)), None)


def shown(codec: str) -> str:
    """Write a codec as people know it."""
    return codec.removesuffix("-sig").upper()
