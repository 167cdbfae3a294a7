"""The environment variables Nexus reads its settings from: what tests must not inherit."""

from typing import Final

from nexus.settings import Settings


def _names() -> frozenset[str]:
    fields = Settings.model_fields.items()
    return frozenset(
        alias if isinstance(alias := field.validation_alias, str) else f"NEXUS_{name.upper()}"
        for name, field in fields
    )


VARIABLES: Final = _names()
