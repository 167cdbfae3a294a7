"""What a route takes from the request: the caller with its scope, and the open parts."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from nexus.services.caller import Caller, Scope
from nexus.services.idempotency import Once
from nexus.services.keyring import Keyring
from nexus.services.progress import ProgressBoard
from nexus.services.workshop import Workshop
from nexus.wiring import Parts

# The guard has checked the key already: this only tells OpenAPI that there is one.
BEARER = HTTPBearer(auto_error=False, description="An API key: `nx_…`.")


def needs(scope: Scope) -> Callable[..., Caller]:
    """Build the dependency of a route that only keys with `scope` may call."""

    def caller(
        request: Request,
        _shown: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    ) -> Caller:
        found: Caller = request.state.caller
        found.require(scope)
        return found

    return caller


Reader = Annotated[Caller, Depends(needs(Scope.READ))]
Author = Annotated[Caller, Depends(needs(Scope.WRITE))]
Operator = Annotated[Caller, Depends(needs(Scope.EXECUTE))]
Approver = Annotated[Caller, Depends(needs(Scope.APPROVE))]
Admin = Annotated[Caller, Depends(needs(Scope.ADMIN))]


def parts_of(request: Request) -> Parts:
    """Return what the lifespan has opened."""
    parts: Parts = request.app.state.parts
    return parts


def _workshop(request: Request) -> Workshop:
    workshop: Workshop = request.app.state.workshop
    return workshop


def _keyring(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring


def _board(request: Request) -> ProgressBoard:
    board: ProgressBoard = request.app.state.board
    return board


Opened = Annotated[Parts, Depends(parts_of)]
Agents = Annotated[Workshop, Depends(_workshop)]
Keys = Annotated[Keyring, Depends(_keyring)]
Board = Annotated[ProgressBoard, Depends(_board)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Send the same key with a repetition: it gets the first answer again.",
    ),
]


def once(request: Request, caller: Caller, key: str | None, fingerprint: str) -> Once:
    """Describe this POST for its Idempotency-Key; the route is its method and path."""
    path = request.url.path.rstrip("/")
    return Once(caller.workspace, f"{request.method} {path}", key, fingerprint)
