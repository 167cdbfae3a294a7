"""Which installation a command talks to: the one named, else the one that runs over the data directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nexus.errors import Misconfigured, ServiceMissing
from nexus.locations import read_services

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient
    from nexus.settings import Settings

ADMIN_KEY: Final = "admin.key"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Installation:
    """An API's address and a key for it."""

    url: str
    key: str

    def client(self) -> "ApiClient":
        from nexus.cli.api.client import ApiClient

        return ApiClient(self.url, self.key)


def find_installation(settings: "Settings") -> Installation | None:
    """Find an installation by --url or NEXUS_URL, else by `services.json`; None when there is none.

    Raises:
        Misconfigured: there is one, and no key for it.
    """
    if settings.url:
        return Installation(settings.url, _key_for(settings, settings.url))
    services = read_services(settings.data)
    if services and services.api_url:
        return Installation(services.api_url, _key(settings))
    return None


def need_installation(settings: "Settings") -> Installation:
    """Find an installation.

    Raises:
        ServiceMissing: there is none.
    """
    found = find_installation(settings)
    if found:
        return found
    raise ServiceMissing(
        f"no Nexus is running over {settings.data}",
        hint="start one with `nexus up`, or name one with --url or NEXUS_URL and NEXUS_API_KEY",
    )


def _key_for(settings: "Settings", url: str) -> str:
    """Choose the key for a named installation: this machine's admin key goes to this machine alone."""
    if settings.api_key or urlsplit(url).hostname in LOOPBACK:
        return _key(settings)
    raise Misconfigured(
        f"no API key for {url}", hint="set NEXUS_API_KEY to a key of that installation"
    )


def _key(settings: "Settings") -> str:
    return settings.api_key or _read_key(settings.data / ADMIN_KEY)


def _read_key(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except OSError as refused:
        raise Misconfigured(
            f"no API key: NEXUS_API_KEY is not set and {path} cannot be read",
            hint="set NEXUS_API_KEY to a key of that installation",
        ) from refused
    if key:
        return key
    raise Misconfigured(f"{path} is empty", hint="set NEXUS_API_KEY to a key of that installation")
