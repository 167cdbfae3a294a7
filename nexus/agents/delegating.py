"""An agent hands parts of its work to others and goes on with what they came to: one call of the seam."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from nexus.agents.canonical import as_json, fingerprint
from nexus.domain.delegation import DELEGATE, check_parts
from nexus.domain.seam import Call, CallKind, Json, Recorded
from nexus.errors import PermanentFailure

if TYPE_CHECKING:
    from nexus.agents.context import Context

KEY: Final = "nexus.delegate"


async def delegate(
    given: Sequence[str | Mapping[str, object]], context: "Context"
) -> list[dict[str, Json]]:
    """Have parts done; see `Context.delegate`."""
    parts = check_parts(given, context.scope.agent)
    request = as_json([part.document() for part in parts], "a part to be delegated")
    call = Call(CallKind.STEP, DELEGATE, KEY, fingerprint(request), request=request, parts=parts)
    value = await context.seam.call(call, never)
    if context.scope.guard is not None:
        context.scope.guard.distrust()
    return cast("list[dict[str, Json]]", value)


async def never(_: str) -> Recorded:
    """Stand where an effect is asked for: other subtasks have it.

    Raises:
        PermanentFailure: always.
    """
    raise PermanentFailure("what is delegated is not done here")
