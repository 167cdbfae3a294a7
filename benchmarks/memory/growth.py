"""A shelf of any size made of real sentences, and the vectors it gets on both sides.

To embed a hundred thousand passages takes an hour here, so passages beyond the corpora are
sentences of them put together anew, and their vectors the mean of the real vectors of where
the sentences came from, with some noise. Nexus and Chroma are given the same.
"""

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.memory.corpora import Text
from benchmarks.memory.place import Remembering

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix

PASSAGES: Final = 100
"""How many passages a made document has."""
SENTENCES: Final = 6
NOISE: Final = 0.03


@dataclass(slots=True)
class Made:
    """Embeds made passages by their sentences, and everything else by the model."""

    model: Remembering
    sentences: "dict[str, Matrix]" = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.model.name

    async def embed(self, texts: Sequence[str]) -> "Matrix":
        import numpy as np

        rows = [self._made(text) for text in texts]
        return np.concatenate(
            [
                await self.model.model.embed([text]) if row is None else row
                for row, text in zip(rows, texts, strict=True)
            ]
        )

    async def close(self) -> None:
        """Keep what is known."""

    def learn(self, questions: Sequence[str]) -> None:
        """Take the sentences of every passage the model has read; questions are to be embedded."""
        for text, vector in self.model.known.items():
            if text in questions:
                continue
            for part in re.split(r"(?<=[.;:])\s+|\n\n", text):
                sentence = " ".join(part.split())
                if 40 <= len(sentence) <= 140:
                    self.sentences[sentence] = vector

    def _made(self, text: str) -> "Matrix | None":
        import numpy as np

        found = [self.sentences[line] for line in text.split("\n") if line in self.sentences]
        if not found:
            return None
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
        noise = np.random.default_rng(seed).normal(0, NOISE, found[0].shape)
        mean = np.mean(found, axis=0) + noise
        vector: Matrix = (mean / np.linalg.norm(mean)).astype(np.float32)
        return vector

    def documents(self, first: int, count: int) -> Iterator[Text]:
        """Make documents of PASSAGES passages each, always the same ones."""
        sentences = sorted(self.sentences)
        for number in range(first, first + count):
            chosen = random.Random(number)
            parts = [
                f"# {number}.{part}\n" + "\n".join(chosen.sample(sentences, SENTENCES))
                for part in range(PASSAGES)
            ]
            yield Text(f"made{number:05d}", f"{number}.md", "text/markdown", "\n\n".join(parts))
