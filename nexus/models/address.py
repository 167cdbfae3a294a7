"""Which database a URL names, in the words each driver wants."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from nexus.errors import Misconfigured
from nexus.settings import Settings


class Dialect(StrEnum):
    """The two databases Nexus keeps its truth in."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Address:
    """`path` is set for SQLite, `dsn` (for asyncpg) for PostgreSQL; `shown` hides the password."""

    dialect: Dialect
    sqlalchemy_url: str
    path: Path | None
    dsn: str | None
    shown: str


def find_database(settings: Settings) -> Address:
    """Read `NEXUS_DATABASE_URL`; unset means SQLite in the data directory.

    Raises:
        Misconfigured: the URL names another kind of database, or no file.
    """
    url = settings.database_url
    if url is None:
        return _sqlite(settings.data / "nexus.db")
    scheme, _, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if kind == "sqlite":
        if len(rest) < 2:
            raise Misconfigured(
                "NEXUS_DATABASE_URL names no file", hint="write it as sqlite:///path/to/nexus.db"
            )
        return _sqlite(Path(rest[1:]).absolute())
    if kind in {"postgres", "postgresql"}:
        host = urlsplit(f"postgresql://{rest}").hostname or "localhost"
        return Address(
            Dialect.POSTGRESQL,
            f"postgresql+asyncpg://{rest}",
            None,
            f"postgresql://{rest}",
            f"PostgreSQL on {host}",
        )
    raise Misconfigured(
        f"NEXUS_DATABASE_URL has the scheme {kind!r}, which is no database Nexus knows",
        hint="use sqlite:///… or postgresql://…",
    )


def _sqlite(path: Path) -> Address:
    return Address(
        Dialect.SQLITE, f"sqlite+aiosqlite:///{path}", path, None, f"SQLite at {path.name}"
    )
