"""API keys: make, list and revoke them. Only a keyed hash of a key is ever stored."""

import json
from dataclasses import dataclass

from sqlalchemy import select

from nexus.domain.clock import rfc3339
from nexus.domain.ids import new_id
from nexus.errors import Forbidden, NotFound
from nexus.models.database import Database
from nexus.models.work import ApiKey
from nexus.models.writing import Query, Transaction
from nexus.schemas.keys import Key, KeyCreate, KeyListParams, KeyMade
from nexus.schemas.lists import Page
from nexus.services.caller import DEFAULT_WORKSPACE, Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.idempotency import Answer, Once
from nexus.services.reads import now_us, reading
from nexus.services.secrets import hash_key, make_key, new_nonce, shown_prefix

COLUMNS = (
    ApiKey.id,
    ApiKey.workspace,
    ApiKey.name,
    ApiKey.prefix,
    ApiKey.scopes,
    ApiKey.created_at,
    ApiKey.expires_at,
    ApiKey.revoked_at,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new key may do; `expires_at` is in microseconds since 1970, None for never."""

    workspace: str
    name: str
    scopes: tuple[str, ...]
    expires_at: int | None


def insert_key(secret: bytes, key: str, key_id: str, grant: Grant) -> Query:
    """Write the statement that stores a key's hash."""
    return Query(
        "INSERT INTO api_keys"
        " (id, workspace, name, prefix, hash, scopes, created_at, expires_at, revoked_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, NOW_US(), $7, NULL)",
        (
            key_id,
            grant.workspace,
            grant.name,
            shown_prefix(key),
            hash_key(secret, key),
            json.dumps(list(grant.scopes)),
            grant.expires_at,
        ),
    )


def workspace_for(caller: Caller, named: str | None) -> str:
    """Decide the workspace an administration call is about.

    Raises:
        Forbidden: another workspace is named by a key that is not of the default one.
    """
    if named is None or named == caller.workspace:
        return caller.workspace
    if caller.workspace != DEFAULT_WORKSPACE:
        raise Forbidden(
            "this key may only administer its own workspace",
            code="other_workspace",
            hint=f"use an admin key of the workspace {DEFAULT_WORKSPACE!r}",
        )
    return named


async def create_key(
    database: Database, secret: bytes, caller: Caller, wanted: KeyCreate, once: Once
) -> Answer:
    """Make a key; the answer is the only place it is ever shown."""
    workspace = workspace_for(caller, wanted.workspace)
    lifetime = wanted.expires_in_seconds
    grant = Grant(
        workspace,
        wanted.name,
        tuple(sorted(set(wanted.scopes))),
        None if lifetime is None else now_us() + lifetime * 1_000_000,
    )

    def act() -> Transaction[Answer]:
        # The nonce stands in for the key in the stored answer: see `make_key`.
        nonce = new_nonce()
        key_id = new_id("key")
        key = make_key(secret, nonce)
        yield insert_key(secret, key, key_id, grant)
        made = KeyMade(
            id=key_id,
            workspace=grant.workspace,
            name=grant.name,
            prefix=shown_prefix(key),
            scopes=list(grant.scopes),
            created_at=rfc3339(now_us()) or "",
            expires_at=rfc3339(grant.expires_at),
            revoked_at=None,
            key=nonce,
        )
        return Answer(201, made.model_dump_json(), f"/keys/{key_id}")

    answer = await database.run(lambda: once.wrap(act))
    stored = KeyMade.model_validate_json(answer.body)
    shown = stored.model_copy(update={"key": make_key(secret, stored.key)})
    return Answer(answer.status, shown.model_dump_json(), answer.location, answer.replayed)


async def list_keys(database: Database, caller: Caller, wanted: KeyListParams) -> Page[Key]:
    """List a workspace's keys, newest first."""
    at = Cursor.read(wanted.cursor)
    statement = (
        select(*COLUMNS)
        .where(ApiKey.workspace == workspace_for(caller, wanted.workspace))
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(at.before(ApiKey.created_at, ApiKey.id))
    async with reading(database) as session:
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, wanted.limit)
    return Page(
        items=[
            Key(
                id=row.id,
                workspace=row.workspace,
                name=row.name,
                prefix=row.prefix,
                scopes=row.scopes,
                created_at=rfc3339(row.created_at) or "",
                expires_at=rfc3339(row.expires_at),
                revoked_at=rfc3339(row.revoked_at),
            )
            for row in shown
        ],
        next_cursor=following,
    )


async def revoke_key(database: Database, caller: Caller, key_id: str, named: str | None) -> None:
    """End a key; every API process refuses it within seconds.

    Raises:
        NotFound: the workspace has no such key.
    """
    workspace = workspace_for(caller, named)

    def act() -> Transaction[bool]:
        rows = yield Query(
            "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, NOW_US())"
            " WHERE id = $1 AND workspace = $2 RETURNING id",
            (key_id, workspace),
        )
        return bool(rows)

    if not await database.run(act):
        raise NotFound("there is no such key", hint="GET /keys lists the workspace's keys")
