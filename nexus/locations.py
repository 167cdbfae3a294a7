"""Where Redis and Chroma are: the URL variable, else `<data>/services.json`, else Redis's usual port.

`services.json` is written by whoever runs the embedded services and is believed only
while its owner holds `<data>/services.lock`. Everything asks again at every reconnect.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from nexus.locks import is_held
from nexus.settings import LOCAL_REDIS, Settings

SERVICES_FILE: Final = "services.json"
SERVICES_LOCK: Final = "services.lock"


@dataclass(frozen=True, slots=True)
class Services:
    """What an embedded stack offers; `api_url` is set by `nexus up` alone."""

    redis_url: str | None
    chroma_url: str | None
    pid: int
    api_url: str | None = None


def read_services(data: Path) -> Services | None:
    """Read `services.json`, or None when it is missing, broken or its owner is gone."""
    if not is_held(data / SERVICES_LOCK):
        return None
    try:
        found = json.loads((data / SERVICES_FILE).read_text())
        return Services(
            redis_url=found["redis_url"],
            chroma_url=found["chroma_url"],
            pid=found["pid"],
            api_url=found.get("api_url"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_services(data: Path, services: Services) -> None:
    """Write `services.json` whole or not at all, readable by its owner alone; the caller holds the lock."""
    draft = data / f"{SERVICES_FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(asdict(services)))
    draft.replace(data / SERVICES_FILE)


def redis_url(settings: Settings) -> str:
    """Say where Redis should be right now."""
    if settings.redis_url:
        return settings.redis_url
    services = read_services(settings.data)
    return services.redis_url if services and services.redis_url else LOCAL_REDIS


def chroma_url(settings: Settings) -> str | None:
    """Say where Chroma should be right now, None when nobody offers one."""
    if settings.chroma_url:
        return settings.chroma_url
    services = read_services(settings.data)
    return services.chroma_url if services else None
