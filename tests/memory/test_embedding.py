"""The model on this machine: it loads, it is the published one, and it tells meanings apart."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nexus.errors import Misconfigured
from nexus.memory import embed
from nexus.memory.embed import LocalEmbedder
from nexus.memory.wordpiece import WORDPIECE_FILE, tokenizer
from tests.support.places import ROOT

# Source: vocab.txt of bert-base-uncased, as published.
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


async def test_paraphrases_are_close_and_strangers_are_not() -> None:
    vectors = await LocalEmbedder().embed(
        [
            "A man is eating food.",
            "A man is eating a piece of bread.",
            "The girl is carrying a baby.",
            "",
        ]
    )
    assert (vectors.shape, vectors.dtype) == ((4, 384), np.dtype(np.float32))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.7
    assert likeness[0, 2] < 0.1


async def test_long_texts_are_read_up_to_the_limit_of_the_model() -> None:
    long = "penguin " * 5_000
    vectors = await LocalEmbedder().embed([long, long + "bridge"])
    assert np.array_equal(vectors[0], vectors[1])


def test_the_vocabulary_is_the_published_one() -> None:
    ids = json.loads(WORDPIECE_FILE.read_text(encoding="utf-8"))["model"]["vocab"]
    words = "".join(f"{word}\n" for word in sorted(ids, key=lambda word: int(ids[word])))
    assert hashlib.sha256(words.encode()).hexdigest() == VOCABULARY_SHA256


def test_tokens_are_those_of_bert() -> None:
    assert tokenizer().encode("Hello world").ids == [101, 7592, 2088, 102]


async def test_another_model_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "model.onnx"
    forged.write_bytes(b"not the model")
    monkeypatch.setattr(embed, "_model_file", lambda: forged)
    with pytest.raises(Misconfigured, match="checksum"):
        await LocalEmbedder().embed(["hello"])


def test_the_library_is_told_to_report_nothing(tmp_path: Path) -> None:
    """Left alone it keeps a device's id and a store of events, and sends them to its maker."""
    program = (
        "import asyncio; from nexus.memory.embed import LocalEmbedder; "
        "asyncio.run(LocalEmbedder().embed(['hello']))"
    )
    folders = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    environment = {**os.environ, **folders, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=ROOT, env=environment, timeout=60
    )
    assert [*tmp_path.rglob("*")] == []
