"""Idempotency-Key: the first answer of a POST, kept in the transaction that earned it."""

import hashlib
from dataclasses import dataclass, replace

from nexus.errors import InvalidInput
from nexus.models.writing import Begin, Query, Transaction


@dataclass(frozen=True, slots=True)
class Answer:
    """What a POST answers: JSON text, a status and perhaps a Location."""

    status: int
    body: str
    location: str | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """One POST that may be sent more than once; `key` is None when the client gave none.

    `route` is method and path, `fingerprint` a SHA-256 of what was asked.
    """

    workspace: str
    route: str
    key: str | None
    fingerprint: str

    def wrap(self, act: Begin[Answer]) -> Transaction[Answer]:
        """Run `act` the first time; afterwards give its answer again.

        The row goes in before `act` runs, so that of two posts at once the second waits
        for the first one's commit. An `act` that raises leaves no row.

        Raises:
            InvalidInput: the key was used for something else.
        """
        if self.key is None:
            return (yield from act())
        claimed = yield Query(
            "INSERT INTO idempotency_keys"
            " (workspace, route, key, fingerprint, status, location, body, created_at)"
            " VALUES ($1, $2, $3, $4, 0, NULL, '', NOW_US())"
            " ON CONFLICT DO NOTHING RETURNING key",
            (self.workspace, self.route, self.key, self.fingerprint),
        )
        if not claimed:
            return (yield from self._first_answer())
        answer = yield from act()
        yield Query(
            "UPDATE idempotency_keys SET status = $4, location = $5, body = $6"
            " WHERE workspace = $1 AND route = $2 AND key = $3",
            (
                self.workspace,
                self.route,
                self.key,
                answer.status,
                answer.location,
                answer.body,
            ),
        )
        return answer

    def _first_answer(self) -> Transaction[Answer]:
        rows = yield Query(
            "SELECT fingerprint, status, body, location FROM idempotency_keys"
            " WHERE workspace = $1 AND route = $2 AND key = $3",
            (self.workspace, self.route, self.key),
        )
        fingerprint, status, body, location = rows[0]
        if fingerprint != self.fingerprint:
            raise InvalidInput(
                "this Idempotency-Key was used for a request with another body",
                code="idempotency_key_reused",
                hint="use a new key for a new request",
            )
        return replace(Answer(status, body, location), replayed=True)


def fingerprint_of(*parts: str | bytes) -> str:
    """Hash what a request asks for; the parts keep their borders."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()
