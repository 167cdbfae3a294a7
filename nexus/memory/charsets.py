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
    codecs.lookup(name).name
    for name in (
        *("utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be"),
        *("utf_32", "utf_32_le", "utf_32_be"),
        *(f"cp{number}" for number in range(1250, 1259)),
        *("cp437", "cp850", "cp852", "cp855", "cp858", "cp866", "cp874"),
        *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
        *("koi8_r", "koi8_u", "mac_roman", "mac_cyrillic", "mac_latin2", "tis_620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949"),
    )
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
