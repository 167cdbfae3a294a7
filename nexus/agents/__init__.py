"""Agents: what they are given, how they are declared, and the built-in seven.

The public face for plugins: `from nexus.agents import Brief, Context, agent, tool, Effect, Caution`.
"""

from nexus.agents.context import Context
from nexus.agents.roster import agent
from nexus.domain.seam import Effect
from nexus.domain.work import Brief
from nexus.tools.registry import Caution, tool

__all__ = ["Brief", "Caution", "Context", "Effect", "agent", "tool"]
