"""One call of a tool, by a model or by an agent in plain Python: it passes the seam, once."""

from dataclasses import replace
from typing import TYPE_CHECKING

from nexus.agents.canonical import as_json, fingerprint
from nexus.agents.delegating import never
from nexus.domain.delegation import DELEGATE, check_parts
from nexus.domain.seam import Call, CallKind, Json, Recorded, Seam
from nexus.errors import InvalidInput, PermanentFailure, ServiceMissing, ToolRefused

if TYPE_CHECKING:
    from nexus.tools.registry import ToolSpec
    from nexus.tools.scope import ToolScope


async def call_tool(
    spec: "ToolSpec", arguments: object, call_id: str, seam: Seam, scope: "ToolScope"
) -> Json:
    """Pass one tool call through the seam.

    Returns:
        The tool's value, or `{"error": reason}`.
    """
    try:
        given = as_json(arguments, f"an argument of the tool {spec.name!r}")
    except PermanentFailure:
        given = None  # NaN and the like: refused below, in the journal

    async def carry_out(key: str) -> Recorded:
        here = replace(scope, made=[])
        try:
            if not isinstance(given, dict):
                raise ToolRefused(f"{spec.name} takes a JSON object of arguments")
            value = await spec.call(here, given, key)
        except (ToolRefused, ServiceMissing) as refusal:
            return Recorded({"error": refusal.message}, outcome="refused", files=tuple(here.made))
        value = as_json(value, f"the result of the tool {spec.name!r}")
        return Recorded(value, files=tuple(here.made))

    call = Call(
        CallKind.TOOL,
        spec.name,
        call_id,
        fingerprint([spec.name, given]),
        spec.effect,
        request=given,
    )
    if spec.name == DELEGATE:
        return await _split(spec, call, seam, scope)
    guard = scope.guard
    if guard is None or not isinstance(given, dict):
        return await seam.call(call, carry_out)
    try:
        call = replace(call, ask=await guard.judge(spec, given))
    except ToolRefused as refusal:
        told: Json = {"error": refusal.message}
        return await seam.call(call, lambda _: _refuse(told))
    value = await seam.call(call, carry_out)
    guard.learn(spec, value)
    return value


async def _split(spec: "ToolSpec", call: Call, seam: Seam, scope: "ToolScope") -> Json:
    """Have the parts done that a model asks for; what is wrong with them it is told."""
    try:
        given = call.request
        if not isinstance(given, dict):
            raise ToolRefused(f"{spec.name} takes a JSON object of arguments")
        orders = [one.model_dump() for one in spec.check(given)["parts"]]
        value = await seam.call(replace(call, parts=check_parts(orders, scope.agent)), never)
    except (ToolRefused, InvalidInput) as refusal:
        told: Json = {"error": refusal.message}
        return await seam.call(call, lambda _: _refuse(told))
    if scope.guard is not None:
        scope.guard.distrust()
    return value


async def _refuse(told: Json) -> Recorded:
    return Recorded(told, outcome="refused")
