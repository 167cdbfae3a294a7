"""What a scripted server answers when it is asked for vectors."""

import json
from collections.abc import Sequence

from tests.scripted_model import Raw


def embeddings(vectors: Sequence[Sequence[float]]) -> Raw:
    """Make the answer to a request for vectors."""
    data = [
        {"object": "embedding", "index": at, "embedding": [*vector]}
        for at, vector in enumerate(vectors)
    ]
    return Raw(body=json.dumps({"object": "list", "model": "scripted", "data": data}))
