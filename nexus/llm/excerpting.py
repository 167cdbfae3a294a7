"""The passages of a long text that matter most to a question, as many as there is room for.

Pure and lexical: rare shared words count most (BM25). Called where requests are fitted, and
where a prompt is written with texts no request should hold whole. What is left out is said.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

CHARACTERS_PER_TOKEN: Final = 4
GAP: Final = "[…]"
MARK_TOKENS: Final = 60
"""More than the sentence takes that says what was left out."""
MOST_PIECE: Final = 160
LEAST_PIECE: Final = 24
PIECES_WANTED: Final = 8
SATURATION: Final = 1.2
LENGTH_WEIGHT: Final = 0.75
NEIGHBOUR: Final = 0.3
"""Share of its score that a passage lends to those beside it: an answer runs over edges."""
BREAKS: Final = ("\n\n", "\n", ". ", "。", "; ", ", ", " ")


@dataclass(frozen=True, slots=True)
class Excerpts:
    """A text that fits, with its mark, and how many passages of how many it shows."""

    text: str
    shown: int
    of: int


def excerpt(
    text: str, query: str, most: int, count: Callable[[str], int], why: str, unit: int = 1
) -> Excerpts:
    """Choose what to show of a text that is too long.

    Args:
        query: what the passages are to answer.
        most: what `count` may give for the whole result, mark included.
        why: ends the mark, such as "to fit the model's window of 4,096 tokens".
        unit: what `count` gives for a token: 1 where it counts tokens, else CHARACTERS_PER_TOKEN.
    """
    pieces = cut(text, _piece_size(text, most, count(text), unit))
    room = most - MARK_TOKENS * unit
    chosen: set[int] = set()
    for at in _order(score(pieces, query), has_room=most >= MOST_PIECE * 3 * unit):
        cost = count(pieces[at]) + 2 * count(GAP)
        if cost <= room:
            chosen.add(at)
            room -= cost
        elif room < count(GAP) * 8:
            break
    if not chosen:
        return Excerpts(f"[left out: {len(text):,} characters, {why}]", 0, len(pieces))
    mark = (
        f"[excerpts: {len(chosen)} of {len(pieces)} passages, those nearest to the task; "
        f"the rest was left out {why}]"
    )
    return Excerpts(f"{mark}\n{_joined(pieces, sorted(chosen))}", len(chosen), len(pieces))


def cut(text: str, size: int) -> list[str]:
    """Cut a text into pieces of at most `size` characters, where it reads best; none is lost."""
    pieces, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = _break_in(text, start + size // 2, end)
        pieces.append(text[start:end])
        start = end
    return pieces


def score(pieces: Sequence[str], query: str) -> list[float]:
    """Score pieces by the words they share with a query, the rarer the more."""
    from nexus.llm.offline.words import STOPWORDS, stem, tokens

    wanted = {stem(word) for word in tokens(query) if word not in STOPWORDS}
    stems: dict[str, str] = {}
    found: list[Counter[str]] = []
    lengths: list[int] = []
    for piece in pieces:
        words = tokens(piece)
        for word in words:
            if word not in stems:
                stems[word] = stem(word)
        lengths.append(len(words))
        found.append(Counter(one for one in map(stems.__getitem__, words) if one in wanted))
    spread = Counter(word for piece in found for word in piece)
    mean = sum(lengths) / max(1, len(lengths)) or 1.0
    worth = {
        word: math.log(1 + (len(pieces) - many + 0.5) / (many + 0.5))
        for word, many in spread.items()
    }
    return [
        sum(
            worth[word]
            * times
            * (SATURATION + 1)
            / (times + SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / mean))
            for word, times in piece.items()
        )
        for piece, length in zip(found, lengths, strict=True)
    ]


def _piece_size(text: str, most: int, counted: int, unit: int) -> int:
    wanted = min(max(most // PIECES_WANTED, LEAST_PIECE * unit), MOST_PIECE * unit)
    return max(20, int(wanted * len(text) / max(1, counted)))


def _order(scores: Sequence[float], *, has_room: bool) -> list[int]:
    """Order pieces by their worth; the first comes early, for it says what a text is."""
    ends = (0.0, *scores, 0.0)
    lent = [own + NEIGHBOUR * max(ends[at], ends[at + 2]) for at, own in enumerate(scores)]
    order = sorted(range(len(scores)), key=lambda at: (-lent[at], at))
    if order and has_room:
        order.remove(0)
        order.insert(min(1, len(order)), 0)  # after the best, which must not go without
    return order


def _joined(pieces: Sequence[str], chosen: Sequence[int]) -> str:
    parts: list[str] = []
    before = -1
    for at in chosen:
        if at == before + 1:
            parts.append(pieces[at])
        else:
            parts.append(f"\n{GAP}\n{pieces[at].lstrip()}")
        before = at
    if before != len(pieces) - 1:
        parts.append(f"\n{GAP}")
    return "".join(parts).strip("\n")


def _break_in(text: str, low: int, high: int) -> int:
    for mark in BREAKS:
        at = text.rfind(mark, low, high)
        if at >= 0:
            return at + len(mark)
    return high
