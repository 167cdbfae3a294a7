"""Liveness and readiness."""

from typing import Literal

from nexus.schemas.strictness import Reply

Word = Literal["ok", "missing"]


class Alive(Reply):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Reply):
    """What is there: `ready` needs the database alone."""

    status: Literal["ready", "unready"]
    database: Word
    redis: Word
    chroma: Word
    workers: Word
