"""What a question brought up, side by side: how near it is, how well words fit it, what to show.

`searching.py` makes one for each search; nothing here waits for anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nexus.memory.catalogue import Matches
from nexus.memory.embed import unpack
from nexus.memory.fusing import choose, sort_out, weigh
from nexus.memory.passages import Kept
from nexus.memory.relevance import LEAST_FIT, LEAST_SIMILARITY, SURE, coverage, is_hopeless

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix

PROVING: Final = 3
"""Passages that are read for the question's words when their meaning is far from it."""
COPIES: Final = 8
"""How many more than are wanted are read: near copies of better ones are passed over."""


@dataclass(frozen=True, slots=True)
class Near:
    """The question's vector by one model, and the cosines of the passages nearest to it."""

    vector: "Matrix"
    similar: Mapping[str, float]

    def without(self, gone: Collection[str]) -> "Near":
        """Leave out some of the passages."""
        left = {one: cosine for one, cosine in self.similar.items() if one not in gone}
        return Near(self.vector, left)


@dataclass(frozen=True)
class Shortlist:
    """Passages that may answer, of which the best are read.

    `similar` has a cosine for each, and is empty while nothing can be asked by meaning.
    """

    kept: Mapping[str, Kept]
    near: Mapping[str, Near]
    matches: Matches
    similar: Mapping[str, float]

    @property
    def model(self) -> str | None:
        return next(iter(self.near), None)

    @cached_property
    def _scores(self) -> dict[str, float]:
        """Score all of it, best first, without what is far from the question."""
        fits = self.matches.fits
        top = max(fits.values(), default=0.0)
        if self.model is None:
            return {one: fit / top if top > 0 else 0.0 for one, fit in fits.items()}
        return {
            one: score
            for one, score in weigh(self.similar, fits).items()
            if self.similar[one] >= LEAST_SIMILARITY or fits.get(one, 0.0) > top * LEAST_FIT
        }

    @cached_property
    def _nearest(self) -> list[str]:
        """Name the passage whose meaning is nearest, if there is one."""
        return [max(self.similar, key=lambda one: self.similar[one])] if self.similar else []

    def unread(self, depth: int) -> list[str]:
        """Name what is to be read next, before so many of the best can be chosen."""
        ids = [*self._scores]
        window = depth + COPIES
        while True:
            needed = dict.fromkeys([*self._nearest, *ids[:window]])
            unread = [one for one in needed if one not in self.kept]
            if unread or window >= len(ids) or self._has_new(ids[:window], depth):
                return unread
            window += COPIES

    def _has_new(self, ids: Sequence[str], most: int) -> bool:
        """Tell whether so many of what was read are no near copies of each other."""
        if self.model is None:
            return True
        return len(sort_out(self._vectors(ids), most)[0]) == most

    def _vectors(self, ids: Sequence[str]) -> "Matrix":
        """Read the vectors of one model; what another has made is a copy of nothing."""
        rows = [self.kept[one] for one in ids]
        own = next((row.vector for row in rows if row.embedding == self.model), b"")
        nothing = bytes(len(own) or 2)
        return unpack([row.vector if row.embedding == self.model else nothing for row in rows])

    def with_read(self, asked: Sequence[str], read: Mapping[str, Kept]) -> "Shortlist":
        """Add what was read, and forget what was asked for and cannot be seen any more."""
        kept = {**self.kept, **read}
        gone = set(asked) - read.keys()
        if not gone:
            return replace(self, kept=kept)
        near = {name: one.without(gone) for name, one in self.near.items()}
        return replace(shortlist(near, self.matches), kept=kept)

    def is_hopeless(self) -> bool:
        """Tell whether the best of it is most likely no answer."""
        nearest = max(self.similar.values(), default=0.0)
        if self.model is None or nearest >= SURE:
            return not self.kept
        proving = [*self._nearest, *self.matches.fits][: PROVING + 1]
        texts = [_whole(self.kept[one]) for one in proving]
        return is_hopeless(
            nearest, coverage(texts, self.matches.frequencies, self.matches.passages)
        )

    def whole(self, passage_id: str) -> str:
        """Return a passage's text under its headings."""
        kept = self.kept[passage_id]
        return f"{kept.heading}\n{kept.text}" if kept.heading else kept.text

    def best(self, most: int) -> dict[str, float]:
        """Score the best that are read, near copies of better ones last."""
        scores = {one: score for one, score in self._scores.items() if one in self.kept}
        if self.model is None:
            return scores
        return {one: scores[one] for one in choose(scores, self._vectors([*scores]), most)}


def shortlist(near: Mapping[str, Near], matches: Matches) -> Shortlist:
    """Compare what a question brought up with it.

    Args:
        near: by model; without any, words alone count.
    """
    similar: dict[str, float] = {}
    level = 0.0
    for name, one in near.items():
        own = {**one.similar, **_likeness(matches.kept.values(), name, one)}
        similar = {**_levelled(own, level), **similar}  # of two models the one in use counts
        level = level or max(own.values(), default=0.0)
    if near:
        similar = {**dict.fromkeys(matches.kept, 0.0), **similar}
    return Shortlist(matches.kept, near, matches, similar)


def _likeness(rows: Iterable[Kept], model: str, near: Near) -> dict[str, float]:
    """Compare what words found with the question, where it is not compared yet."""
    own = [row for row in rows if row.embedding == model and row.id not in near.similar]
    if not own:
        return {}
    cosines = unpack([row.vector for row in own]) @ near.vector[0]
    return dict(zip((row.id for row in own), cosines.tolist(), strict=True))


def _levelled(own: Mapping[str, float], level: float) -> dict[str, float]:
    """Lower what another model found, so that the best of both models are level.

    Cosines of two models mean different things; that one is the nearest of its own does not.
    """
    nearest = max(own.values(), default=0.0)
    factor = min(level / nearest, 1.0) if level > 0 and nearest > 0 else 1.0
    return {one: cosine * factor for one, cosine in own.items()}


def _whole(kept: Kept) -> str:
    return f"{kept.title}\n{kept.heading}\n{kept.text}"
