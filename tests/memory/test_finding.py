"""What is found first, what is not shown at all, and where a search looks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.errors import Misconfigured, NotFound
from nexus.memory.embed import LocalEmbedder
from nexus.memory.fusing import blend, choose, weigh, within
from nexus.memory.late import LateReranker
from nexus.memory.passages import SourceDocument, Wanted, Where
from nexus.memory.relevance import coverage, is_hopeless
from nexus.memory.reranking import HttpReranker
from nexus.memory.searching import Finder
from nexus.models.writing import Query, Transaction
from nexus.schemas.documents import Search
from nexus.services.caller import Caller
from nexus.services.searching import search_memory
from nexus.settings import read_settings
from nexus.wiring import open_engine
from tests.support.bookcase import Bookcase
from tests.support.chroma import ChromaServer

PENGUINS = "Penguins eat krill and small fish, which they catch in the cold southern ocean."
BRIDGE = "The harbour bridge was opened in 1932 and spans 503 metres."
CODES = "| QX-7781-ZETA | 0x1F | 12 |\n| QX-7782-ZETA | 0x2A | 40 |"

scores = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1), min_size=1)


def text(name: str, content: str, title: str = "notes.txt") -> SourceDocument:
    return SourceDocument(name, title, "text/plain", content.encode())


def test_a_second_opinion_counts_for_its_share() -> None:
    own, other = {"a": 0.9, "b": 0.8, "c": 0.1}, {"a": 0.1, "b": 0.5, "c": 0.3}
    assert list(blend(own, other, 1.0).items()) == [("b", 0.5), ("c", 0.3), ("a", 0.1)]
    assert list(blend(own, other, 0.5).items()) == [("b", 0.9), ("a", 0.8), ("c", 0.1)]
    assert list(blend(own, other, 0.0)) == ["a", "b", "c"]
    assert blend({"a": 0.4}, {"a": 0.2}, 0.5) == {"a": 0.4}
    assert list(blend({"z": 0.9, "a": 0.2}, {"a": 1.0, "z": 1.0}, 1.0)) == ["z", "a"]
    assert blend({}, {}, 0.5) == {}


def test_how_far_ahead_a_passage_is_counts_and_not_only_its_place() -> None:
    near, words = {"a": 0.62, "b": 0.60}, {"b": 9.0, "a": 3.0}
    assert list(weigh(near, words)) == ["b", "a"]
    assert list(weigh({"a": 0.9, "b": 0.3}, {"b": 9.0, "a": 8.5})) == ["a", "b"]
    assert weigh({"a": 0.5}, {"a": 2.0}) == {"a": 1.0}
    assert weigh({"a": -0.5}, {}) == {"a": 0.0}


@given(scores, scores)
def test_scores_fall_within_bounds_and_lose_nothing(
    similar: dict[str, float], fits: dict[str, float]
) -> None:
    weighed = weigh(similar, fits)
    assert set(weighed) == set(similar)
    assert list(weighed.values()) == sorted(weighed.values(), reverse=True)
    assert all(0 <= one <= 1 for one in weighed.values())


@given(st.lists(st.integers(0, 50)), st.integers(0, 200))
def test_a_budget_is_kept_and_the_first_come_first(sizes: list[int], budget: int) -> None:
    taken = within(sizes, budget)
    assert sum(sizes[at] for at in taken) <= budget
    assert within(sizes, None) == list(range(len(sizes)))
    assert taken == sorted(taken)
    if sizes and sizes[0] <= budget:
        assert taken[0] == 0


def test_near_copies_come_last_and_only_where_there_is_room() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    ranked = {"a": 0.9, "copy": 0.8, "b": 0.7, "c": 0.6}
    assert choose(ranked, vectors, 3) == ["a", "b", "c"]
    assert choose(ranked, vectors, 4) == ["a", "copy", "b", "c"]


def test_rare_words_prove_an_answer_and_common_ones_do_not() -> None:
    known = {"zeta": 1, "table": 900, "pizza": 0}
    rare = coverage(["the ZETA row"], {"zeta": 1}, 1_000)
    assert rare == 1.0 and not is_hopeless(0.05, rare)
    assert coverage(["a table"], known, 1_000) < 0.05 < 0.3 < coverage(["zeta"], known, 1_000)
    assert is_hopeless(0.3, coverage(["a table"], known, 1_000))
    assert coverage([], {}, 0) == 0.0
    assert coverage(["one penguin"], {"penguins": 2}, 3) == 1.0


async def test_hopeless_questions_find_nothing_and_exact_names_are_found(
    memory: Bookcase, workspace: str
) -> None:
    await memory.add(workspace, text("doc_1", PENGUINS))
    await memory.add(workspace, text("doc_2", BRIDGE))
    await memory.add(workspace, text("doc_3", CODES))

    for hopeless in ("flurbification of the snorgle wumpus", "mortgage rates for buyers", "!?"):
        assert await memory.search(workspace, hopeless) == [], hopeless
    found = await memory.search(workspace, "qx-7782-zeta")
    assert found[0].document_id == "doc_3"
    anyway = await memory.memory.search(
        Where(workspace), "mortgage rates for buyers", k=1, even_if_far=True
    )
    assert len(anyway.passages) <= 1 and not anyway.by_words_alone


async def test_a_search_is_kept_to_what_its_filter_names(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text("doc_1", PENGUINS))
    await memory.add(workspace, text("doc_2", f"{PENGUINS} Or so it is said."))
    markdown = SourceDocument("doc_3", "birds.md", "text/markdown", f"{PENGUINS} Yes.".encode())
    await memory.add(workspace, markdown)
    await memory.database.run(lambda: _project(workspace, "prj_1", ["doc_2", "doc_3"]))
    await memory.database.run(lambda: _project(workspace, "prj_2", None))
    caller = Caller("key_1", workspace, frozenset(), None)

    async def found(caller: Caller = caller, **wanted: object) -> set[str]:
        search = Search.model_validate({"query": "what do penguins eat?", "filter": wanted})
        answer = await search_memory(memory.memory, memory.database, caller, search)
        assert bool(answer.items) != (answer.note is not None)
        return {one.document_id for one in answer.items}

    assert await found() == await found(project_id="prj_2") == {"doc_1", "doc_2", "doc_3"}
    assert await found(project_id="prj_1") == {"doc_2", "doc_3"}
    assert await found(project_id="prj_1", document_ids=["doc_1", "doc_3"]) == {"doc_3"}
    assert await found(media_types=["text/markdown"]) == {"doc_3"}
    assert await found(added_before="2020-01-01T00:00:00Z") == set()
    assert len(await found(added_after="2020-01-01T00:00:00+02:00")) == 3
    assert await found(document_ids=["doc_9"]) == set()
    with pytest.raises(NotFound):
        await found(replace(caller, workspace="elsewhere"), project_id="prj_1")
    for wrong in ({"added_after": 5}, {"added_after": "2020-01-01"}, {"kind": "x"}):
        with pytest.raises(ValueError, match="filter"):
            Search.model_validate({"query": "x", "filter": wrong})

    some = Search.model_validate({"query": "what do penguins eat?", "max_tokens": 25})
    few = await search_memory(memory.memory, memory.database, caller, some)
    assert len(few.items) == 1
    assert few.note == "2 more would not fit into max_tokens"


async def test_a_server_whose_data_is_gone_is_noticed(
    memory: Bookcase, workspace: str, chroma: ChromaServer
) -> None:
    await memory.add(workspace, text("doc_1", PENGUINS))
    assert len(await memory.search(workspace, PENGUINS)) == 1
    await _drop_collections(chroma, workspace, memory)

    assert len(await memory.search(workspace, PENGUINS)) == 1, "words still find it"
    await memory.add(workspace, text("doc_2", BRIDGE))
    assert len(await memory.search(workspace, "when was the bridge opened?")) >= 1
    assert await memory.memory.audit() >= 1


async def test_a_reranker_has_the_last_word_and_a_broken_one_has_none(
    memory: Bookcase, workspace: str
) -> None:
    await memory.add(workspace, text("doc_1", PENGUINS))
    await memory.add(workspace, text("doc_2", f"Of penguins and bridges: {BRIDGE}"))
    plain = await memory.search(workspace, "what do penguins eat?")
    assert [one.document_id for one in plain] == ["doc_1", "doc_2"]
    memory_ = memory.memory

    async def order(answer: object) -> list[str]:
        async with _server(answer) as url:
            part = memory_._finder
            finder = Finder(
                part.catalogue, part.vectors, part.embedder, HttpReranker(url, "m", "k", 2.0)
            )
            found = await finder.find(Where(workspace), Wanted("what do penguins eat?", 8))
            return [one.document_id for one in found.passages]

    results = [{"index": 0, "relevance_score": -3.5}, {"index": 1, "relevance_score": 2.5}]
    assert await order({"results": results}) == ["doc_2", "doc_1"]
    nonsense: tuple[object, ...] = (
        {"results": results[:1]},
        {"results": [{"index": "x"}]},
        [],
        "no",
        None,
    )
    for broken in nonsense:
        assert await order(broken) == ["doc_1", "doc_2"], broken


async def test_the_model_that_comes_along_gives_a_second_opinion(
    memory: Bookcase, workspace: str
) -> None:
    late = LateReranker()
    passages = ["The bridge spans a harbour.", "Penguins eat krill.", "Krill is eaten by whales."]
    judged = await late.judge("what do penguins eat?", passages)
    assert judged is not None
    assert judged.index(max(judged)) == 1
    assert all(0 <= one <= 1 for one in judged)
    assert await late.judge("", passages) is None
    tokens = LocalEmbedder().tokens("penguins " * 1_000, 16)
    assert tokens.shape == (16, 384)
    assert np.allclose(np.linalg.norm(tokens, axis=1), 1, atol=1e-5)

    await memory.add(workspace, text("doc_1", PENGUINS))
    await memory.add(workspace, text("doc_2", f"Of penguins and bridges: {BRIDGE}"))
    part = memory.memory._finder
    finder = Finder(part.catalogue, part.vectors, part.embedder, late)
    found = await finder.find(Where(workspace), Wanted("what do penguins eat?", 8))
    assert [one.document_id for one in found.passages] == ["doc_1", "doc_2"]


async def test_a_rerankers_model_needs_a_server_that_has_it(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path, rerank_model="bge-reranker-v2-m3")
    with pytest.raises(Misconfigured, match="NEXUS_RERANK_MODEL") as refused:
        async with open_engine(settings):
            pass
    assert refused.value.hint is not None and "NEXUS_RERANK_URL" in refused.value.hint
    async with open_engine(read_settings(data_dir=tmp_path, rerank_model="local")) as parts:
        assert isinstance(parts.memory._finder.reranker, LateReranker)


def _project(workspace: str, project_id: str, documents: list[str] | None) -> Transaction[None]:
    listed = None if documents is None else json.dumps(documents)
    yield Query(
        "INSERT INTO projects (id, workspace, name, goal, status, auto_execute, plan_version, "
        "document_ids, requests, input_tokens, output_tokens, cost_pico_usd, unpriced_requests, "
        "tasks_total, tasks_open, tasks_succeeded, seq, ran_us, moved_at, created_at, updated_at) "
        "VALUES ($1, $2, 'n', 'g', 'planned', $4, 0, $3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NOW_US(), "
        "NOW_US(), NOW_US())",
        (project_id, workspace, listed, False),
    )


async def _drop_collections(chroma: ChromaServer, workspace: str, memory: Bookcase) -> None:
    import chromadb

    assert chroma.url is not None
    host, _, port = chroma.url.removeprefix("http://").partition(":")
    client = await chromadb.AsyncHttpClient(host=host, port=int(port))
    finder = memory.memory._finder
    for space in (one.space for one in await memory.catalogue.census()):
        await client.delete_collection(finder.vectors._name(space))


@asynccontextmanager
async def _server(answer: object) -> AsyncIterator[str]:
    """Answer every request with one JSON value; None hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/rerank ") and b"Bearer k" in head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        assert asked["model"] == "m" and len(asked["documents"]) == asked["top_n"] == 2
        if answer is not None:
            body = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
