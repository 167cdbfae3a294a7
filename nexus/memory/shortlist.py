"""What a question brought up, side by side: how near it is, how well words fit it, what to show.

`searching.py` makes one for each search; nothing here waits for anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nexus.memory.catalogue import Matches
from nexus.memory.embed import unpack
from nexus.memory.fusing import choose, weigh
from nexus.memory.passages import Kept
from nexus.memory.relevance import LEAST_FIT, LEAST_SIMILARITY, SURE, coverage, is_hopeless

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix

PROVING: Final = 3
"""Passages that are read for the question's words when their meaning is far from it."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Passages that may answer; `similar` is empty while nothing can be asked by meaning."""

    kept: Mapping[str, Kept]
    matches: Matches
    similar: Mapping[str, float]
    vectors: "Matrix | None" = None

    def is_hopeless(self) -> bool:
        """Tell whether the best of it is most likely no answer."""
        nearest = max(self.similar.values(), default=0.0)
        if self.vectors is None or nearest >= SURE:
            return not self.kept
        by_meaning = sorted(self.similar, key=lambda one: -self.similar[one])[:1]
        proving = [*by_meaning, *self.matches.fits]
        texts = [_whole(self.kept[one]) for one in proving[: PROVING + 1]]
        return is_hopeless(
            nearest, coverage(texts, self.matches.frequencies, self.matches.passages)
        )

    def whole(self, passage_id: str) -> str:
        """Return a passage's text under its headings."""
        kept = self.kept[passage_id]
        return f"{kept.heading}\n{kept.text}" if kept.heading else kept.text

    def best(self, most: int) -> dict[str, float]:
        """Score the best, near copies of better ones last, and leave out what is far from it."""
        fits = self.matches.fits
        top = max(fits.values(), default=0.0)
        if self.vectors is None:
            return {one: fit / top if top > 0 else 0.0 for one, fit in fits.items()}
        scores = {
            one: score
            for one, score in weigh(self.similar, fits).items()
            if self.similar[one] >= LEAST_SIMILARITY or fits.get(one, 0.0) > top * LEAST_FIT
        }
        places = {one: place for place, one in enumerate(self.similar)}
        vectors = self.vectors[[places[one] for one in scores]]
        return {one: scores[one] for one in choose(scores, vectors, most)}


def shortlist(
    kept: Mapping[str, Kept], matches: Matches, vectors: Mapping[str, "Matrix"]
) -> Shortlist:
    """Compare what was read with a question.

    Args:
        vectors: the question's, by the model that made them; without any, words alone count.
    """
    if not vectors or not kept:
        return Shortlist(kept, matches, {})
    own, question = next(iter(vectors.items()))
    rows = _vectors([*kept.values()], own, question.shape[1])
    similar = dict(zip(kept, (rows @ question[0]).tolist(), strict=True))
    for name, other in vectors.items():
        if name != own:
            similar |= _beside(similar, kept, name, other)
    return Shortlist(kept, matches, similar, rows)


def _vectors(rows: Sequence[Kept], embedding: str, dimensions: int) -> "Matrix":
    """Read the vectors of one model; what another has made has no likeness."""
    nothing = bytes(2 * dimensions)
    return unpack([row.vector if row.embedding == embedding else nothing for row in rows])


def _beside(
    similar: Mapping[str, float], kept: Mapping[str, Kept], embedding: str, question: "Matrix"
) -> dict[str, float]:
    """Give what another model embedded its own likeness, the best of both models level.

    Cosines of two models mean different things; that one is the nearest of its own does not.
    """
    ids = [one for one, row in kept.items() if row.embedding == embedding]
    if not ids:
        return {}
    own = unpack([kept[one].vector for one in ids]) @ question[0]
    level = max(similar.values(), default=0.0) / max(float(own.max()), 1e-9)
    factor = level if level > 0 else 1.0
    return dict(zip(ids, (own * min(factor, 1.0)).tolist(), strict=True))


def _whole(kept: Kept) -> str:
    return f"{kept.title}\n{kept.heading}\n{kept.text}"
