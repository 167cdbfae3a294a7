"""A fetched page as agents read it: data with its source, never instructions."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urldefrag, urljoin

TEXT_CHARACTERS: Final = 60_000
MOST_LINKS: Final = 60
_TITLE_CHARACTERS: Final = 300
_LINK_CHARACTERS: Final = 300
_SPACES: Final = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Page:
    """`url` is where the last redirect led; `truncated`: there was more text; `links` lead on."""

    url: str
    title: str
    text: str
    truncated: bool = False
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """What is at a URL, as it came; `media_type` is the server's word, with its parameters."""

    url: str
    media_type: str
    body: bytes


def visible(text: str) -> str:
    """Strip what a person would not see: control, format, private and unassigned characters."""
    kept = (
        one
        for one in text.replace("\r\n", "\n").replace("\r", "\n")
        if one in "\n\t" or not (unicodedata.category(one).startswith("C") or _is_hidden(one))
    )
    return _SPACES.sub("\n\n", "".join(kept)).strip()


def _is_hidden(one: str) -> bool:
    """Variation selectors and fillers: not of category C, and yet invisible carriers of text."""
    code = ord(one)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code in _FILLERS


_FILLERS: Final = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800})


def page_of(url: str, title: str, text: str, references: Iterable[str] = ()) -> Page:
    """Build a page, cleaned and cut to what a model is given."""
    clean = visible(text)
    short = " ".join(visible(title).split())[:_TITLE_CHARACTERS]
    links = _links(url, references)
    return Page(url, short, clean[:TEXT_CHARACTERS], len(clean) > TEXT_CHARACTERS, links)


def _links(url: str, references: Iterable[str]) -> tuple[str, ...]:
    """Resolve what a page refers to; in its order, each once, of bounded number and length."""
    found: dict[str, None] = {}
    for reference in references:
        try:
            link, _ = urldefrag(urljoin(url, visible(reference)))
        except ValueError:
            continue
        if link.startswith(("http://", "https://")) and len(link) <= _LINK_CHARACTERS:
            found[link] = None
        if len(found) == MOST_LINKS:
            break
    return tuple(found)
