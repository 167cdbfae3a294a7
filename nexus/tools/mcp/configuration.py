"""Reads `<data>/mcp.toml`: which servers there are, how they are reached, whom they serve."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as checked

from nexus.domain.seam import Effect
from nexus.errors import Misconfigured

FILE: Final = "mcp.toml"
ServerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,24}$")]
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ServerSettings(BaseModel):
    """One server: a command spoken to over stdio, or the URL of one that is running."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: Annotated[str, StringConstraints(pattern=r"^https?://")] | None = None
    headers: dict[str, str] = {}
    agents: tuple[str, ...]
    tools: tuple[str, ...] | None = None
    effect: Effect | None = None
    effects: dict[str, Effect] = {}
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    start_seconds: Annotated[float, Field(gt=0, le=120)] = 20.0

    @checked(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either `command` or `url`")
        if self.url is not None and (self.args or self.env):
            raise ValueError("`args` and `env` belong to a `command`")
        if self.command is not None and self.headers:
            raise ValueError("`headers` belong to a `url`")
        return self

    @property
    def how(self) -> str:
        """How it is spoken to."""
        return "stdio" if self.command else "HTTP"

    def effect_of(self, tool: str, *, is_read_only: bool) -> Effect:
        """Say what an interrupted call of a tool may do: unsafe, unless something says otherwise."""
        declared = self.effects.get(tool) or self.effect
        return declared or (Effect.READ if is_read_only else Effect.UNSAFE)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: dict[ServerName, ServerSettings] = {}


def read_servers(
    data: Path, environment: Mapping[str, str] = os.environ
) -> dict[str, ServerSettings]:
    """Read the servers of a data directory; none where there is no file.

    `${NAME}` in `args`, `env`, `url` and `headers` is the worker's variable of that name.

    Raises:
        Misconfigured: the file cannot be read or says something impossible; names the place.
    """
    try:
        text = (data / FILE).read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as wrong:
        raise Misconfigured(f"{FILE} cannot be read: {wrong}") from wrong
    try:
        return _File.model_validate(_filled(tomllib.loads(text), environment)).servers
    except tomllib.TOMLDecodeError as wrong:
        raise Misconfigured(f"{FILE} is not TOML: {wrong}") from wrong
    except ValidationError as wrong:
        first = wrong.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Misconfigured(
            f"{FILE}: {place}: {first['msg']}", hint="see docs/guides/mcp.md"
        ) from None


def _filled(value: object, environment: Mapping[str, str]) -> object:
    """Put the worker's variables where they are named."""
    if isinstance(value, dict):
        return {key: _filled(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def look_up(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise Misconfigured(
                f"{FILE} uses ${{{found[1]}}}, which is not set",
                hint=f"set {found[1]} where the worker is started",
            )
        return environment[found[1]]

    return _VARIABLE.sub(look_up, value)
