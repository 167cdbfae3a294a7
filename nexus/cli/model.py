"""Which model a run will use, said without keeping the model libraries in memory."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus.settings import Settings


def model_in_use(settings: "Settings") -> str:
    """Name the model that requests without a `model` go to."""
    return settings.model or "the first provider with a key, else offline"
