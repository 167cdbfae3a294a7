"""What this installation works with: its agents and its models, loaded once at start.

Loading is slow (it imports the model libraries), so it happens here and not at import.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from nexus.domain.declared import AgentDeclaration
from nexus.domain.estimating import Load
from nexus.errors import FieldProblem, InvalidInput
from nexus.settings import Settings

if TYPE_CHECKING:
    from nexus.agents.spec import AgentSpec
    from nexus.llm.book import ModelBook
    from nexus.llm.price_list import Priced

PLANNER: Final = "manager"


class Workshop:
    """The agents a plan may name, and the models a project may ask for."""

    def __init__(self, agents: Mapping[str, "AgentSpec"], models: "ModelBook") -> None:
        self._agents = agents
        self._models = models

    def usable_agents(self) -> frozenset[str]:
        """Name the agents a plan may give tasks to: all but the one that plans."""
        return frozenset(self._agents) - {PLANNER}

    def agents(self) -> list["AgentSpec"]:
        """List every agent, built-in ones first, by name."""
        return sorted(self._agents.values(), key=lambda spec: (not spec.builtin, spec.name))

    def find(self, name: str) -> "AgentSpec | None":
        """Find an agent of the installation."""
        return self._agents.get(name)

    def find_faults(self, declaration: AgentDeclaration) -> tuple[FieldProblem, ...]:
        """Find the names in a declaration that are taken or unknown here."""
        from nexus.agents.declared import find_faults
        from nexus.tools.registry import tools

        return find_faults(declaration, self._agents, tools())

    def build(self, declaration: AgentDeclaration) -> "AgentSpec":
        """Make the agent that a declaration describes."""
        from nexus.agents.declared import spec_of

        return spec_of(declaration)

    def check_model(self, name: str) -> None:
        """Refuse a model that this installation cannot use.

        Raises:
            InvalidInput: with the place `model`.
        """
        try:
            self._models.check(name)
        except InvalidInput as wrong:
            raise InvalidInput(
                wrong.message,
                hint=wrong.hint,
                code=wrong.reason,
                problems=(FieldProblem("model", wrong.message),),
            ) from wrong

    def tool_counts(self) -> dict[str, int]:
        """Count the tools of every agent that a model drives; agents in plain Python have no say."""
        return {
            name: len(spec.tools)
            for name, spec in self._agents.items()
            if spec.builtin or spec.declaration
        }

    def price(self, model: str | None, load: Load) -> "Priced":
        """Price a load at a project's model, None for the default; slow the first time."""
        from nexus.llm.price_list import price

        return price(model or self._models.default_name, load)

    async def close(self) -> None:
        """Let go of the model clients."""
        await self._models.close()


def open_workshop(settings: Settings) -> Workshop:
    """Find the agents and models; plugins have been loaded before."""
    from nexus.agents.roster import roster
    from nexus.llm.book import ModelBook

    return Workshop(roster(), ModelBook(settings))
