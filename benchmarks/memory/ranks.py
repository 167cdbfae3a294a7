"""Reciprocal rank fusion, to be compared with what a search does.

Source: Cormack, Clarke and Büttcher, SIGIR 2009.
"""

from collections.abc import Sequence
from typing import Final

RANK_CONSTANT: Final = 20
"""The paper's 60 flattens short lists."""
MEANING: Final = 2.0
WORDS: Final = 1.0


def fuse(meaning: Sequence[str], words: Sequence[str]) -> dict[str, float]:
    """Score passages by their places in an order by meaning and in one by words.

    Returns:
        scores by id, best first.
    """
    scores: dict[str, float] = {}
    for weight, order in ((MEANING, meaning), (WORDS, words)):
        for place, passage_id in enumerate(order):
            worth = weight * (RANK_CONSTANT + 1) / (RANK_CONSTANT + 1 + place)
            scores[passage_id] = scores.get(passage_id, 0.0) + worth
    return dict(sorted(scores.items(), key=lambda one: (-one[1], one[0])))
