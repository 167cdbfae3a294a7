"""Tells a question that nothing here answers from one that something may: pure functions.

Nearness alone cannot tell: nonsense is as near to some passage as a question in other words
is to its answer. What helps is which of the question's words are here at all, and how rare.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from nexus.memory.terms import words_in

SURE: Final = 0.42
"""A cosine that needs no words beside it; measured in docs/explanation/retrieval.md."""
LEAST_SIMILARITY: Final = 0.15
"""Nine in ten texts resemble a question less than this."""
LEAST_FIT: Final = 0.5
"""A share of the best fit: what words find this well is kept however far its meaning is."""
STEM: Final = 5
"""Letters by which words are compared here, where no stemmer is at hand."""
FEWEST: Final = 1_000
"""Passages there are at least, so that words of a small collection are not all common."""


def is_hopeless(nearest: float, coverage: float) -> bool:
    """Tell whether the best of what was found is most likely no answer.

    Args:
        nearest: the highest cosine of a passage and the question.
        coverage: how much of the question's words the best passage has, 0..1.
    """
    return max(nearest, 0.0) + SURE * coverage < SURE


def coverage(texts: Iterable[str], frequencies: Mapping[str, int], passages: int) -> float:
    """Return how much of a question's words one of some texts has, rare words counting for more.

    Words are compared by their beginnings, as a stemmer would; a word with a digit whole.

    Args:
        texts: passages.
        frequencies: how many of all passages have each of the question's words.
        passages: how many there are.
    """
    worth = {word: _worth(count, max(passages, FEWEST)) for word, count in frequencies.items()}
    whole = sum(worth.values())
    best = 0.0
    for text in texts:
        stems = {_stem(word) for word in words_in(text)}
        best = max(best, sum(worth[word] for word in worth if _stem(word) in stems))
    return best / whole if whole else 0.0


def _worth(count: int, passages: int) -> float:
    return math.log(1 + (max(passages, count) - count + 0.5) / (count + 0.5))


def _stem(word: str) -> str:
    return word.removesuffix("s")[:STEM] if word.isalpha() else word
