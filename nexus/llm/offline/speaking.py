"""What the offline model says when a person speaks to the manager: what it can do, and what not."""

from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.plain import NEEDED
from nexus.llm.offline.reply import Reply
from nexus.llm.offline.words import listed


def speak_of_plans(talk: Conversation) -> Reply:
    """Say how a goal becomes a plan here; rules cannot talk one over."""
    agents = listed(list(talk.prompt.agents))
    team = f" Its tasks go to the agents {agents}." if agents else ""
    return Reply(
        text=f"{LABEL}\n\nRules cannot talk a plan over. They can make one: "
        f'`nexus run "goal"` or POST /projects plans a goal and shows the plan before it is '
        f"carried out.{team} {NEEDED}"
    )
