"""Quotations: the sentences of passages that answer a question best, word for word.

Lexical: rare shared words count most; a sentence that adds nothing new is left out.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nexus.llm.offline.kinship import kin_of
from nexus.llm.offline.prompt import Excerpt
from nexus.llm.offline.words import sentences, subjects

MAX_QUOTES: Final = 6
MAX_CLAUSES: Final = 4
MIN_WORDS: Final = 5
SHORT_WORDS: Final = 9
"""A sentence of fewer words is quoted with the one after it."""

WORTH_QUOTING: Final = 0.42
"""A sentence is quoted when it scores at least this share of the best one."""

CLAUSE: Final = re.compile(
    r"[?;.!]\s+|,?\s+(?:and|or)\s+(?=(?:how|what|where|when|why|which|who|whose|whether)\b)",
    re.IGNORECASE,
)
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
    """One or two neighbouring sentences and where they stand."""

    text: str
    title: str
    locator: str
    cite: str = ""

    @property
    def source(self) -> str:
        told = f"{self.title}, {self.locator}" if self.locator else self.title
        return f"[{told.replace('[', '(').replace(']', ')')}]"

    def as_markdown(self) -> str:
        return f"> {self.text} {self.source} {self.cite}".rstrip()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence that may be quoted; `place` counts the quotable ones of its passage."""

    text: str
    excerpt: Excerpt
    stems: frozenset[str]
    before: str
    after: str
    place: int
    around: "_Passage"


@dataclass(frozen=True, slots=True)
class _Passage:
    """The stems of a passage's heading and of all its text."""

    number: int
    heading: frozenset[str]
    body: frozenset[str]


@dataclass(slots=True)
class _Choice:
    """What has been chosen so far, so that the next adds something new."""

    chosen: list[tuple[int, _Candidate]] = field(default_factory=list)
    covered: dict[str, int] = field(default_factory=dict)
    passages: dict[int, int] = field(default_factory=dict)

    def add(self, clause: int, candidate: _Candidate, weights: Mapping[str, float]) -> None:
        self.chosen.append((clause, candidate))
        for root in candidate.stems & weights.keys():
            self.covered[root] = self.covered.get(root, 0) + 1
        number = candidate.around.number
        self.passages[number] = self.passages.get(number, 0) + 1

    def admits(self, candidate: _Candidate) -> bool:
        return all(_overlap(candidate.stems, other.stems) < 0.6 for _, other in self.chosen)


def choose_quotes(
    question: str, excerpts: Sequence[Excerpt], *, most: int = MAX_QUOTES
) -> list[Quote]:
    """Choose the sentences that answer a question best, each of its clauses in turn.

    Returns:
        At most `most` quotes, by clause and then in the order of the passages; empty when
        nothing matches.
    """
    candidates = _candidates(excerpts)
    clauses = clauses_of(question)
    weighed = [_weights(clause, question, candidates) for clause in clauses]
    choice = _Choice()
    floors = [0.0] * len(clauses)
    going = [clause for clause in range(len(clauses)) if weighed[clause]]
    while going and len(choice.chosen) < most:
        for clause in list(going):
            admitted = [c for c in candidates if choice.admits(c)]
            scores = [_score(c, weighed[clause], choice) for c in admitted]
            best = max(scores, default=0.0)
            floors[clause] = floors[clause] or best * WORTH_QUOTING
            if best <= 0 or best < floors[clause] or len(choice.chosen) >= most:
                going.remove(clause)
            else:
                choice.add(clause, admitted[scores.index(best)], weighed[clause])
    order = {candidate.text: at for at, candidate in enumerate(candidates)}
    ranked = sorted(choice.chosen, key=lambda pair: (pair[0], order[pair[1].text]))
    quotes = list(dict.fromkeys(_quote(candidate) for _, candidate in ranked))
    return [q for q in quotes if not any(q.text in other.text for other in quotes if other != q)]


def clauses_of(question: str) -> list[str]:
    """Part a question where it asks anew: `what do they eat, and how do they nest`."""
    parts = [part.strip() for part in CLAUSE.split(question) if subjects(part)]
    return parts[:MAX_CLAUSES] or [question]


def unanswered(question: str, excerpts: Sequence[Excerpt]) -> list[str]:
    """List the stems of a question that no passage speaks of, not even by a related word."""
    spoken = {root for e in excerpts for root in subjects(f"{e.title} {e.locator} {e.text}")}
    return [root for root in subjects(question) if root not in spoken and not kin_of(root) & spoken]


def _candidates(excerpts: Sequence[Excerpt]) -> list[_Candidate]:
    found: dict[str, _Candidate] = {}
    for number, excerpt in enumerate(excerpts):
        heading = frozenset(subjects(f"{excerpt.title} {excerpt.locator}"))
        around = _Passage(number, heading, frozenset(subjects(excerpt.text)))
        place = 0
        for paragraph in running_text(excerpt.text):
            said = ["", *sentences(paragraph), ""]
            for before, sentence, after in zip(said, said[1:], said[2:], strict=False):
                if _is_quotable(sentence) and sentence not in found:
                    stems = frozenset(subjects(sentence))
                    found[sentence] = _Candidate(
                        sentence, excerpt, stems, before, after, place, around
                    )
                    place += 1
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
    """Whole sentences only: begun large, closed by a mark, neither a fragment nor a page."""
    if sentence[:1].islower():
        return False
    spaced = sentence.isascii() or " " in sentence
    long_enough = len(sentence.split()) >= MIN_WORDS if spaced else len(sentence) >= 8
    closed = re.search(r"[.!?…。！？][\"'”’)\]」』]*$", sentence) is not None
    return long_enough and closed and len(sentence) <= MAX_CHARACTERS


def _weights(clause: str, question: str, candidates: Sequence[_Candidate]) -> dict[str, float]:
    """Weigh the stems asked for by how few sentences have them.

    Words of the other clauses count a little, for a clause may say only `they`; related words
    count half of the word they stand for.
    """
    having: dict[str, int] = {}
    for candidate in candidates:
        for root in candidate.stems:
            having[root] = having.get(root, 0) + 1
    weights: dict[str, float] = {}
    for text, share in ((question, 0.3), (clause, 1.0)):
        for root in subjects(text):
            for other, kin_share in ((root, 1.0), *((kin, 0.6) for kin in kin_of(root))):
                if other in having:
                    weight = share * kin_share * math.log(1 + len(candidates) / having[other])
                    weights[other] = max(weights.get(other, 0.0), weight)
    return weights


def _score(candidate: _Candidate, weights: Mapping[str, float], choice: _Choice) -> float:
    """Score a sentence by its own words, then by its passage's, where topic sentences come first."""
    around = candidate.around
    own = sum(
        weights[root] / (1 + choice.covered.get(root, 0))
        for root in candidate.stems & weights.keys()
    )
    headed = sum(weights[root] for root in around.heading & weights.keys())
    framed = headed + 0.3 * sum(weights[root] for root in around.body & weights.keys())
    if not own and headed < 0.4 * sum(sorted(weights.values())[-3:]):
        return 0.0
    length = 1 + 0.01 * max(0, len(candidate.stems) - 12)
    topical = 0.4 * framed * (1 + 1 / (1 + candidate.place))
    crowded = 1 + 0.4 * choice.passages.get(around.number, 0)
    return (own / length + topical) / crowded / (1 + 0.05 * candidate.excerpt.rank)


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / max(1, min(len(left), len(right)))


def _quote(candidate: _Candidate) -> Quote:
    text = candidate.text
    if _is_quotable(candidate.after) and len(text.split()) < SHORT_WORDS and " " in text:
        text = f"{text} {candidate.after}"
    if candidate.before and LEANING.match(text) and len(candidate.before) <= MAX_CHARACTERS:
        text = f"{candidate.before} {text}"
    excerpt = candidate.excerpt
    return Quote(text, excerpt.title, excerpt.locator, excerpt.cite)
