"""Secrets of an installation: the key that hashes API keys, and the admin key's file.

Called at start, under the schema's lock, and whenever a key is made or checked.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from nexus.locks import FileLock
from nexus.settings import Settings

KEY_BYTES: Final = 32
KEY_PREFIX: Final = "nx_"


def read_secret(settings: Settings) -> bytes:
    """Return the key that hashes API keys: NEXUS_SECRET_KEY, else `<data>/secret.key`, made once.

    Every API machine of an installation must have the same one.
    """
    if settings.secret_key:
        return settings.secret_key.encode()
    path = settings.data / "secret.key"
    with FileLock(settings.data / "secret.lock"):
        if not path.exists():
            write_private(path, secrets.token_hex(KEY_BYTES) + "\n")
        return path.read_text().strip().encode()


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read (mode 0600), whole and on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def make_key(secret: bytes, nonce: str) -> str:
    """Make an API key such as `nx_1f2e3d4c_…`: 256 bits behind a prefix that people may see.

    It follows from `nonce` (256 random bits) and the secret, so that a repeated POST with
    an Idempotency-Key can answer with the same key while only the nonce was stored.
    """
    digest = hmac.digest(secret, f"api key {nonce}".encode(), hashlib.sha256)
    body = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{KEY_PREFIX}{hashlib.sha256(nonce.encode()).hexdigest()[:8]}_{body}"


def new_nonce() -> str:
    """Make the random part of a key."""
    return secrets.token_hex(KEY_BYTES)


def shown_prefix(key: str) -> str:
    """Return the part of a key that may be shown in lists."""
    return key[: len(KEY_PREFIX) + 8]


def hash_key(secret: bytes, key: str) -> str:
    """Hash a key the way it is stored: HMAC-SHA256 under the installation's secret."""
    return hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()
