"""The tokenizer of the embedding model, which its package does not bring: `wordpiece.json` here.

Its origin and licence are in `wordpiece.LICENSE.md`. Both the cutting and the embedding of
text use it, so that an excerpt is never longer than the model reads.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDPIECE_FILE: Final = Path(__file__).with_name("wordpiece.json")

# Bounds the memory that a large document's tokens take while they are counted.
_BATCH: Final = 512


@cache
def tokenizer() -> "Tokenizer":
    """Load the tokenizer once; it neither pads nor truncates and may be used by many threads."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(WORDPIECE_FILE))


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Count each text's tokens, the model's own marks not included."""
    counts: list[int] = []
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        encoded = tokenizer().encode_batch_fast(batch, add_special_tokens=False)
        counts.extend(len(one) for one in encoded)
    return counts
