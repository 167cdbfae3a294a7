"""The API: `create_app` builds it, `serve` runs it, `app` is for `uvicorn main:app`.

Importing this opens nothing and loads no model library; the lifespan opens everything.
The API runs no agents and no background work.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from nexus import __version__
from nexus.errors import OperatorError
from nexus.events.hearing import Hearing
from nexus.logs import configure_logs, get_log
from nexus.routers import (
    agents,
    approvals,
    artifacts,
    chats,
    documents,
    events,
    health,
    keys,
    memories,
    plans,
    problems,
    projects,
    results,
    runs,
)
from nexus.routers.answers import PROBLEMS
from nexus.routers.guards.bodies import BodyGuard
from nexus.routers.guards.heads import HeadGuard
from nexus.routers.guards.keys import KeyGuard
from nexus.routers.guards.naming import NamingGuard
from nexus.routers.streams import Streams, server_state
from nexus.services.admin_key import ensure_admin_key
from nexus.services.keyring import Keyring
from nexus.services.progress import ProgressBoard
from nexus.services.replies import Replies
from nexus.services.secrets import read_secret
from nexus.services.tails import Tails
from nexus.services.task_texts import TaskTexts
from nexus.services.workshop import open_workshop
from nexus.settings import Settings, read_settings
from nexus.wiring import open_engine, running

GRACE_SECONDS: Final = 10
ROUTERS: Final = (
    projects,
    plans,
    runs,
    results,
    artifacts,
    events,
    approvals,
    documents,
    memories,
    agents,
    chats,
    keys,
    health,
)

log = get_log("nexus.http")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the API; `settings` are read from the environment at start when not given."""
    app = FastAPI(
        title="Nexus",
        version=__version__,
        description="Give it a goal: it plans, runs agents durably and hands over the result.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=_assembled().routes,
        lifespan=_lifespan(settings),
        middleware=[
            Middleware(NamingGuard),
            Middleware(HeadGuard),
            Middleware(KeyGuard),
            Middleware(BodyGuard),
        ],
    )
    problems.install(app)
    return app


@cache
def _assembled() -> APIRouter:
    """Put the routes together, once for all apps of a process: each route is built when first used."""
    router = APIRouter(responses=PROBLEMS, redirect_slashes=False)
    for room in ROUTERS:
        router.include_router(room.router)
    return router


def _lifespan(
    settings: Settings | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        chosen = settings or read_settings()
        configure_logs(chosen.log_level)
        async with AsyncExitStack() as opened:
            try:
                parts = await opened.enter_async_context(
                    open_engine(chosen, prepare=ensure_admin_key(chosen))
                )
                workshop = open_workshop(chosen)
            except OperatorError as refused:
                app.state.refused = refused
                raise
            opened.push_async_callback(workshop.close)
            hearing = Hearing(parts.redis, parts.database.installation_id, parts.bell.stir)
            await opened.enter_async_context(running(parts.bell.listen()))
            await opened.enter_async_context(running(hearing.listen()))
            app.state.parts = parts
            app.state.workshop = workshop
            app.state.keyring = Keyring(parts.database, read_secret(chosen))
            app.state.board = ProgressBoard(parts.database, TaskTexts())
            app.state.streams = Streams(server_state())
            app.state.replies = Replies(parts.database, parts.bell)
            app.state.hearing = hearing
            app.state.tails = Tails(parts.database, parts.bell)
            log.info("api.started", version=__version__)
            yield
            log.info("api.stopped")

    return lifespan


app = create_app()


def serve(settings: Settings) -> None:
    """Serve the API on `settings.host` and `settings.port` until SIGINT or SIGTERM.

    Raises:
        OperatorError: it could not start; the message says what to mend.
    """
    import uvicorn

    app = create_app(settings)
    # What whoever runs Nexus has to mend is said in two lines by the caller, not as a traceback.
    logging.getLogger("uvicorn.error").addFilter(lambda _: _refusal(app) is None)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    except SystemExit:
        refused = _refusal(app)
        if refused is None:
            raise
        raise refused from None


def _refusal(app: FastAPI) -> OperatorError | None:
    """Return why the lifespan could not open what it needs, if that is how it ended."""
    found: OperatorError | None = getattr(app.state, "refused", None)
    return found
