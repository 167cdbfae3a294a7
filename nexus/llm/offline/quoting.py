"""Quotations: the sentences of passages that answer a question best, word for word.

Lexical: rare shared words count most; a sentence that adds nothing new is left out.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.llm.offline.prompt import Excerpt
from nexus.llm.offline.words import sentences, subjects

MAX_QUOTES: Final = 6
MIN_WORDS: Final = 5
MAX_CHARACTERS: Final = 600
LEANING: Final = re.compile(
    r"(?:it|its|this|that|these|those|they|their|them|he|she|both|such|here|there|but|and|so|however|instead)\b",
    re.IGNORECASE,
)
"""A sentence that opens like this leans on the one before; both are quoted."""

BLOCK: Final = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+#>|]|\d{1,2}[.)])\s?)")
MARKS: Final = re.compile(r"^\s*(?:>+|[-*+]|\d{1,2}[.)])\s+")
INLINE: Final = re.compile(r"(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1")


@dataclass(frozen=True, slots=True)
class Quote:
    """One or two neighbouring sentences and where they stand; `matched` are the shared stems."""

    text: str
    title: str
    locator: str
    matched: frozenset[str]

    @property
    def source(self) -> str:
        return f"[{self.title}, {self.locator}]" if self.locator else f"[{self.title}]"

    def as_markdown(self) -> str:
        return f"> {self.text} {self.source}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    excerpt: Excerpt
    stems: frozenset[str]
    before: str


def choose_quotes(
    question: str, excerpts: Sequence[Excerpt], *, context: str = "", most: int = MAX_QUOTES
) -> list[Quote]:
    """Choose the sentences that answer a question best.

    Args:
        context: words that matter less than the question's, such as the whole goal.

    Returns:
        At most `most` quotes, in the order in which the excerpts came; empty when nothing matches.
    """
    candidates = _candidates(excerpts)
    weights = _weights(question, context, candidates)
    chosen: list[tuple[int, Quote]] = []
    covered: dict[str, int] = {}
    taken: list[frozenset[str]] = []
    floor = 0.0
    while len(chosen) < most:
        scored = [
            (_score(candidate, weights, covered), -at)
            for at, candidate in enumerate(candidates)
            if all(_overlap(candidate.stems, other) < 0.6 for other in taken)
        ]
        best, place = max(scored, default=(0.0, 0))
        floor = floor or best * 0.3
        if best <= 0 or best < floor:
            break
        candidate = candidates[-place]
        matched = frozenset(candidate.stems & weights.keys())
        for root in matched:
            covered[root] = covered.get(root, 0) + 1
        taken.append(candidate.stems)
        chosen.append((-place, _quote(candidate, matched)))
    return [quote for _, quote in sorted(chosen, key=lambda pair: pair[0])]


def unanswered(question: str, excerpts: Sequence[Excerpt]) -> list[str]:
    """List the stems of a question that no passage speaks of."""
    spoken = {root for excerpt in excerpts for root in subjects(f"{excerpt.title} {excerpt.text}")}
    return [root for root in subjects(question) if root not in spoken]


def _candidates(excerpts: Sequence[Excerpt]) -> list[_Candidate]:
    found: dict[str, _Candidate] = {}
    for excerpt in excerpts:
        for paragraph in running_text(excerpt.text):
            before = ""
            for sentence in sentences(paragraph):
                if _is_quotable(sentence) and sentence not in found:
                    stems = frozenset(subjects(sentence))
                    found[sentence] = _Candidate(sentence, excerpt, stems, before)
                before = sentence
    return list(found.values())


def running_text(text: str) -> list[str]:
    """List the paragraphs and list items of a Markdown text, without headings, tables, code."""
    paragraphs = []
    for block in BLOCK.split(re.sub(r"```.*?(?:```|\Z)", "", text, flags=re.DOTALL)):
        plain = block.strip()
        if plain.startswith("#"):
            plain = plain.partition("\n")[2].strip()
        if plain and not plain.startswith("|"):
            paragraphs.append(INLINE.sub(r"\2", MARKS.sub("", plain)))
    return paragraphs


def _is_quotable(sentence: str) -> bool:
    """Whole sentences only: closed by a mark, neither a fragment nor a page."""
    spaced = sentence.isascii() or " " in sentence
    long_enough = len(sentence.split()) >= MIN_WORDS if spaced else len(sentence) >= 8
    closed = re.search(r"[.!?…。！？][\"'”’)\]」』]*$", sentence) is not None
    return long_enough and closed and len(sentence) <= MAX_CHARACTERS


def _weights(question: str, context: str, candidates: Sequence[_Candidate]) -> dict[str, float]:
    """Weigh the words asked for by how few sentences have them; context counts a quarter."""
    weights: dict[str, float] = {}
    for text, share in ((context, 0.2), (question, 1.0)):
        for root in subjects(text):
            having = sum(root in candidate.stems for candidate in candidates)
            if having:
                weights[root] = share * math.log(1 + len(candidates) / having)
    return weights


def _score(candidate: _Candidate, weights: dict[str, float], covered: dict[str, int]) -> float:
    """Sum the weights of shared words; what is already quoted counts less, length a little."""
    total = sum(
        weights[root] / (1 + covered.get(root, 0)) for root in candidate.stems & weights.keys()
    )
    return total / (1 + 0.01 * len(candidate.stems))


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / max(1, min(len(left), len(right)))


def _quote(candidate: _Candidate, matched: frozenset[str]) -> Quote:
    text = candidate.text
    if candidate.before and LEANING.match(text) and len(candidate.before) <= MAX_CHARACTERS:
        text = f"{candidate.before} {text}"
    return Quote(text, candidate.excerpt.title, candidate.excerpt.locator, matched)
