"""Structured logs, configured once a process: JSON lines, or readable ones when a terminal looks on.

Every process calls `configure_logs` at its start; everything else asks `get_log`. Prompts
are never logged, and whatever is named like a secret is masked before it is written.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

SECRET_NAMES: Final = ("api_key", "authorization", "password", "secret", "token_value", "cookie")
MASK: Final = "[hidden]"
NOISY: Final = ("asyncpg.pool",)
"""They tell every connection a server that is away refuses, with a traceback; we say it once."""


def mask_secrets(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the value of every field whose name says that it is a secret."""
    for name in event:
        if any(word in name.lower() for word in SECRET_NAMES):
            event[name] = MASK
    return event


def configure_logs(level: str = "info") -> None:
    """Send this process's logs, and those of the libraries it uses, to standard error.

    Args:
        level: debug, info, warning or error; libraries log from `warning` on.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_render(sys.stderr.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [stream]
    root.setLevel(logging.WARNING)
    logging.getLogger("nexus").setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _render(terminal: bool) -> list[Any]:
    if terminal:
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def get_log(name: str) -> structlog.stdlib.BoundLogger:
    """Return the log of one module; `name` begins with `nexus`."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log
