"""System instructions of the agents: the files in `prompts/`, rendered strictly.

A variable that is missing is an error, never an empty string.
"""

from functools import cache
from typing import TYPE_CHECKING

from nexus.errors import Misconfigured

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def render(
    name: str,
    *,
    tools: tuple[str, ...] | None = None,
    submit: str | None = None,
    is_chat: bool = False,
) -> str:
    """Render `prompts/<name>.md`; `tools` are the names the prompt may mention, `submit` the
    tool by which the answer is handed over, `is_chat` says that a person is spoken to.

    Raises:
        Misconfigured: the file does not exist, or it uses a variable that is not given.
    """
    from jinja2 import TemplateError

    given = {"tools": tools, "submit": submit, "is_chat": is_chat}
    values = {name: value for name, value in given.items() if value is not None}
    try:
        return _environment().get_template(f"{name}.md").render(values).strip()
    except TemplateError as wrong:
        raise Misconfigured(
            f"the prompt of the agent {name!r} cannot be rendered: {wrong}",
            hint="reinstall Nexus, or mend nexus/agents/prompts",
        ) from wrong


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("nexus.agents", "prompts"),
        undefined=StrictUndefined,
        autoescape=select_autoescape((), default=False),
    )
