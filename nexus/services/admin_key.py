"""The first key: made once, before the API answers, when the database has no key at all.

The file comes first and the row second: a start that is killed between the two finds the
file again and stores the same key.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from nexus.domain.ids import new_id
from nexus.models.writing import Query, Transaction, Writer
from nexus.services.caller import DEFAULT_WORKSPACE, Scope
from nexus.services.keys import Grant, insert_key
from nexus.services.secrets import KEY_PREFIX, make_key, new_nonce, read_secret, write_private
from nexus.settings import Settings

ADMIN_FILE: Final = "admin.key"


def ensure_admin_key(settings: Settings) -> Callable[[Writer], Awaitable[None]]:
    """Return the step that makes the admin key; `open_database` runs it inside its lock."""

    async def prepare(writer: Writer) -> None:
        if await writer.run(_has_keys):
            return
        secret = read_secret(settings)
        key = _kept_key(settings.data / ADMIN_FILE)
        if key is None:
            key = make_key(secret, new_nonce())
            write_private(settings.data / ADMIN_FILE, key + "\n")
        await writer.run(lambda: _store(secret, key))

    return prepare


def _kept_key(path: Path) -> str | None:
    if not path.exists():
        return None
    key = path.read_text().strip()
    return key if key.startswith(KEY_PREFIX) else None


def _has_keys() -> Transaction[bool]:
    return bool((yield Query("SELECT id FROM api_keys LIMIT 1")))


def _store(secret: bytes, key: str) -> Transaction[None]:
    scopes = tuple(str(scope) for scope in Scope)
    yield insert_key(secret, key, new_id("key"), Grant(DEFAULT_WORKSPACE, "admin", scopes, None))
