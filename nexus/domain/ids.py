"""Opaque ids with a readable prefix, ordered by time of making."""

import secrets
import time
from typing import Final

PREFIXES: Final = frozenset(
    {"prj", "tsk", "sub", "apr", "doc", "key", "wrk", "art", "nex", "req", "cnv", "mem"}
)


def new_id(prefix: str) -> str:
    """Make an id such as `prj_0197f3a2c4d15f0a9b3c7e2d`.

    48 bits of milliseconds keep neighbours in time neighbours in an index; 56 random
    bits keep two processes from ever making the same one.
    """
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}")
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(7)}"
