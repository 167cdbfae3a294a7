"""Asks for an API key, before the body is read. What the key gives is all a request may do."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from nexus.errors import OperatorError, Unauthorized
from nexus.routers.problems import caller_problem, unavailable
from nexus.services.caller import Caller
from nexus.services.keyring import Keyring, refused

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/openapi.json"})


class KeyGuard:
    """Puts the verified caller into the request's state, or answers 401."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        keyring: Keyring = scope["app"].state.keyring
        try:
            scope.setdefault("state", {})["caller"] = await verify(keyring, Headers(scope=scope))
        except Unauthorized as wrong:
            await caller_problem(scope, wrong)(scope, receive, send)
        except OperatorError as missing:
            await unavailable(scope, missing)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def verify(keyring: Keyring, headers: Headers) -> Caller:
    """Read `Authorization: Bearer <key>` and find out whose it is.

    Raises:
        Unauthorized: it is missing, not of that form, or does not hold.
    """
    sent = headers.getlist("authorization")
    if len(sent) != 1:
        raise refused()
    scheme, _, key = sent[0].partition(" ")
    if scheme.lower() != "bearer":
        raise refused()
    return await keyring.verify(key.strip())
