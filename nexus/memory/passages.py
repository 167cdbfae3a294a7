"""What goes into memory and what comes out of it: plain values, shared by the whole room."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as the user gave it; `media_type` is what `recognise` said."""

    id: str
    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a document small enough to embed, and where it stands, such as `page 3`."""

    text: str
    locator: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What a search found; `score` is 0..1, higher is closer."""

    text: str
    score: float
    document_id: str
    title: str
    locator: str
