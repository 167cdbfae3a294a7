"""What searches find: the place of the expected passage in every order, over every corpus."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.memory.corpora import Corpus, Question
from benchmarks.memory.place import Place
from benchmarks.memory.ranks import fuse
from nexus.memory.late import LateReranker
from nexus.memory.passages import Kept, Wanted, Where

WAYS: Final = ("words", "meaning", "fused", "weighed", "reranked")
"""By BM25, by vectors, both by rank (RRF), both by score, which is what a search returns, and
that reranked token by token."""
DEEP: Final = 10
HOPELESS: Final = Path(__file__).with_name("hopeless.txt")


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the answer to one question stood, from 1; 0 when it was not among the first ten."""

    corpus: str
    database: str
    number: int
    places: dict[str, int]
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """How documents of one corpus went in, and how many questions were told to be hopeless.

    `refused` is the share of those that are, `answered` the share of the others that got passages.
    """

    corpus: str
    database: str
    documents: int
    passages: int
    seconds: float
    refused: float
    answered: float


async def measure(place: Place, database: str, corpus: Corpus) -> tuple[Filled, list[Asked]]:
    """Put a corpus in and ask all its questions."""
    started, passages = time.perf_counter(), 0
    for text in corpus.texts:
        passages += await place.add(corpus.name, text, _name(corpus, text.name))
    seconds = time.perf_counter() - started
    asked = [
        Asked(corpus.name, database, number, *await _places(place, corpus, question))
        for number, question in enumerate(corpus.questions)
    ]
    hopeless = HOPELESS.read_text(encoding="utf-8").splitlines()
    refused = 0
    for question in hopeless:
        found = await place.bookcase.memory.search(Where(corpus.name), question, k=DEEP)
        refused += not found.passages
    filled = Filled(
        *(corpus.name, database, len(corpus.texts), passages, seconds),
        refused / len(hopeless),
        sum(one.is_answered for one in asked) / len(asked),
    )
    return filled, asked


async def _places(place: Place, corpus: Corpus, question: Question) -> tuple[dict[str, int], bool]:
    where = Where(corpus.name)
    sight = await place.finder.look(where, question.text, 40)
    assert sight is not None
    words = list(sight.matches.fits)
    near = [one for model in sight.near.values() for one in model.similar]
    orders = {
        "words": words[:DEEP],
        "meaning": near[:DEEP],
        "fused": list(fuse(near, words))[:DEEP],
    }
    ids = list({one for order in orders.values() for one in order})
    kept = await place.bookcase.catalogue.read(corpus.name, ids)
    places = {way: _place(corpus, question, _rows(order, kept)) for way, order in orders.items()}
    found = await place.bookcase.memory.search(where, question.text, k=DEEP)
    rows = [(one.document_id, one.text) for one in found.passages]
    reranking = replace(place.finder, reranker=LateReranker(place.tokens))
    again = await reranking.find(where, Wanted(question.text, DEEP))
    reranked = [(one.document_id, one.text) for one in again.passages]
    places |= {
        "weighed": _place(corpus, question, rows),
        "reranked": _place(corpus, question, reranked),
    }
    return places, bool(rows)


def _rows(order: Sequence[str], kept: dict[str, Kept]) -> list[tuple[str, str]]:
    return [(kept[one].document_id, kept[one].text) for one in order]


def _place(corpus: Corpus, question: Question, rows: Sequence[tuple[str, str]]) -> int:
    def answers() -> Iterator[int]:
        for at, (document, text) in enumerate(rows, start=1):
            if question.is_answered(document.removeprefix(_name(corpus, "")), text):
                yield at

    return next(answers(), 0)


def _name(corpus: Corpus, name: str) -> str:
    return f"{corpus.name.split()[0][:3]}_{name}"


def recall(asked: Sequence[Asked], way: str, depth: int = 5) -> float:
    """Return how many of the answers were among the first ones."""
    return sum(0 < one.places[way] <= depth for one in asked) / len(asked)


def reciprocal(asked: Sequence[Asked], way: str) -> float:
    """Return the mean of one by the place of the answer, 0 where it was not found."""
    return sum(1 / one.places[way] for one in asked if one.places[way]) / len(asked)
