"""Several scores of passages made into one, and near copies passed over: pure functions.

The sum of scores, each as a share of the best: Bruch, Gai and Ingber, TOIS 2023. Near copies:
Carbonell and Goldstein, SIGIR 1998.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors

MEANING_SHARE: Final = 0.6
"""How much of a score is the likeness of meaning, the rest being words."""
NEAR_COPY: Final = 0.97


def weigh(similar: Mapping[str, float], fits: Mapping[str, float]) -> dict[str, float]:
    """Score passages by how near their meaning is and how well words fit them.

    Each is taken as a share of the best there is, which ranks cannot tell: a first place far
    before the second counts for more than one just before it.

    Args:
        similar: the cosine with the question of every passage.
        fits: BM25 of those that words found.

    Returns:
        scores in 0..1 by id, best first; 1 is the best of both.
    """
    nearest = max(similar.values(), default=0.0)
    fittest = max(fits.values(), default=0.0)
    scores: dict[str, float] = {}
    for passage_id, cosine in similar.items():
        meaning = max(cosine, 0.0) / nearest if nearest > 0 else 0.0
        words = max(fits.get(passage_id, 0.0), 0.0) / fittest if fittest > 0 else 0.0
        scores[passage_id] = MEANING_SHARE * meaning + (1 - MEANING_SHARE) * words
    return _falling(scores)


def blend(
    scores: Mapping[str, float], judged: Mapping[str, float], share: float
) -> dict[str, float]:
    """Rank passages anew by a second opinion, which counts for `share` of the rank (0..1).

    The whole rank, and the scores are the opinion's. Less, and both are spread over 0..1 first,
    for what they call good differs; the best passage then has the best of `scores`, and so on.
    """
    if share >= 1:
        ranked = {one: judged[one] for one in scores}
        return dict(sorted(ranked.items(), key=lambda one: -one[1]))
    own, other = _spread(scores), _spread(judged)
    order = sorted(scores, key=lambda one: share * (own[one] - other[one]) - own[one])
    return dict(zip(order, sorted(scores.values(), reverse=True), strict=True))


def choose(scores: Mapping[str, float], vectors: "Vectors", most: int) -> list[str]:
    """Choose the best passages, near copies of better ones only where there is room left.

    Args:
        scores: by id, best first.
        vectors: their (n, dimensions) vectors of length 1, in the same order.
    """
    new, copies = sort_out(vectors, most)
    ids = list(scores)
    return [ids[at] for at in sorted([*new, *copies[: most - len(new)]])]


def sort_out(vectors: "Vectors", most: int) -> tuple[list[int], list[int]]:
    """Tell which rows, at most so many, are like no row before, and which are near copies."""
    new: list[int] = []
    copies: list[int] = []
    for at in range(len(vectors)):
        if len(new) == most:
            break
        is_new = not new or float((vectors[new] @ vectors[at]).max()) < NEAR_COPY
        (new if is_new else copies).append(at)
    return new, copies


def within(sizes: Sequence[int], budget: int | None) -> list[int]:
    """Say which places fit into a budget together, the earlier ones first; all without one."""
    taken: list[int] = []
    left = budget
    for place, size in enumerate(sizes):
        if left is None:
            taken.append(place)
        elif size <= left:
            taken.append(place)
            left -= size
    return taken


def _spread(scores: Mapping[str, float]) -> dict[str, float]:
    least, most = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {
        one: (score - least) / (most - least) if most > least else 1.0
        for one, score in scores.items()
    }


def _falling(scores: Mapping[str, float]) -> dict[str, float]:
    ranked = sorted(scores.items(), key=lambda one: (-one[1], one[0]))
    return {passage_id: min(score, 1.0) for passage_id, score in ranked}
