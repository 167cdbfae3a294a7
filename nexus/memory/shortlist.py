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
    fits: Mapping[str, float]
    similar: Mapping[str, float]
    vectors: "Matrix | None" = None

    def is_hopeless(self) -> bool:
        """Tell whether the best of it is most likely no answer."""
        nearest = max(self.similar.values(), default=0.0)
        if self.vectors is None or nearest >= SURE:
            return not self.kept
        proving = [*sorted(self.similar, key=lambda one: -self.similar[one])[:1], *self.fits]
        texts = [_whole(self.kept[one]) for one in proving[: PROVING + 1]]
        return is_hopeless(
            nearest, coverage(texts, self.matches.frequencies, self.matches.passages)
        )

    def best(self, most: int) -> dict[str, float]:
        """Score the best, near copies of better ones last, and leave out what is far from it."""
        top = max(self.fits.values(), default=0.0)
        if self.vectors is None:
            return {one: fit / top if top > 0 else 0.0 for one, fit in self.fits.items()}
        scores = {
            one: score
            for one, score in weigh(self.similar, self.fits).items()
            if self.similar[one] >= LEAST_SIMILARITY or self.fits.get(one, 0.0) > top * LEAST_FIT
        }
        places = {one: place for place, one in enumerate(self.similar)}
        vectors = self.vectors[[places[one] for one in scores]]
        return {one: scores[one] for one in choose(scores, vectors, most)}


def shortlist(
    kept: Mapping[str, Kept], matches: Matches, vector: "Matrix | None", embedding: str
) -> Shortlist:
    """Compare what was read with a question.

    Args:
        vector: the question's, None to go by words alone.
        embedding: the model that made it; what another model has embedded has no likeness.
    """
    fits = {one: fit for one, fit in matches.fits.items() if one in kept}
    if vector is None or not kept:
        return Shortlist(kept, matches, fits, {})
    vectors = _vectors([*kept.values()], vector, embedding)
    similar = dict(zip(kept, (vectors @ vector[0]).tolist(), strict=True))
    return Shortlist(kept, matches, fits, similar, vectors)


def _vectors(rows: Sequence[Kept], vector: "Matrix", embedding: str) -> "Matrix":
    nothing = bytes(2 * vector.shape[1])
    return unpack([row.vector if row.embedding == embedding else nothing for row in rows])


def _whole(kept: Kept) -> str:
    return f"{kept.title}\n{kept.heading}\n{kept.text}"
