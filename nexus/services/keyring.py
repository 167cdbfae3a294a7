"""Checks API keys. A verified key is believed for a moment, so that revoking takes effect within 5 s."""

import json
import re
import time
from typing import Final

from nexus.errors import Unauthorized
from nexus.models.database import Database
from nexus.models.writing import Query
from nexus.services.caller import Caller
from nexus.services.reads import now_us
from nexus.services.secrets import hash_key

BELIEVED_SECONDS: Final = 2.0
MAX_BELIEVED: Final = 10_000
KEY_SHAPE: Final = re.compile(r"nx_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")

KEY: Final = "SELECT id, workspace, scopes, expires_at, revoked_at FROM api_keys WHERE hash = $1"


class Keyring:
    """The keys this process has verified lately; a refused key is never remembered."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.secret = secret
        self._database = database
        self._believed: dict[str, tuple[Caller, float]] = {}

    async def verify(self, key: str) -> Caller:
        """Return who a key belongs to.

        Raises:
            Unauthorized: unknown, revoked or expired; the message does not say which.
        """
        if not KEY_SHAPE.fullmatch(key):
            raise refused()
        hashed = hash_key(self.secret, key)
        caller, until = self._believed.get(hashed, (None, 0.0))
        if caller is None or until <= time.monotonic():
            caller = await self._look_up(hashed)
            if len(self._believed) >= MAX_BELIEVED:
                self._believed.clear()
            self._believed[hashed] = (caller, time.monotonic() + BELIEVED_SECONDS)
        if caller.expires_at is not None and caller.expires_at <= now_us():
            raise refused()
        return caller

    def forget(self, key_id: str) -> None:
        """Believe a key no longer: it was just revoked here."""
        self._believed = {
            hashed: entry for hashed, entry in self._believed.items() if entry[0].key_id != key_id
        }

    async def _look_up(self, hashed: str) -> Caller:
        (rows,) = await self._database.ask(Query(KEY, (hashed,)))
        if not rows or rows[0][4] is not None:
            self._believed.pop(hashed, None)
            raise refused()
        key_id, workspace, scopes, expires_at, _ = rows[0]
        return Caller(key_id, workspace, frozenset(json.loads(scopes)), expires_at)


def refused() -> Unauthorized:
    """Build the one answer to every credential that does not hold."""
    return Unauthorized(
        "a valid API key is needed",
        hint="send Authorization: Bearer <key>; the first key is in admin.key in the data directory",
    )
