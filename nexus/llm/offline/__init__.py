"""The `offline` model: honest machinery, rules and extraction, no language model."""

from nexus.llm.offline.model import OfflineModel

__all__ = ["OfflineModel"]
