"""What a tool is: a function of a scope with checked arguments, registered by `@tool`.

The arguments come from a model and are taken as hostile: size, names and types are checked
before the function runs, and what is wrong is said so that the model can correct it.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from nexus.domain.seam import Effect, Json
from nexus.errors import Misconfigured, PermanentFailure, ToolRefused
from nexus.tools.scope import ToolScope

ToolFunction = Callable[..., Awaitable[Json]]
F = TypeVar("F", bound=ToolFunction)

MOST_ARGUMENT_BYTES: Final = 1024**2
MOST_RESULT_BYTES: Final = 48 * 1024**2
_PROBLEMS_SHOWN: Final = 5
_KEY: Final = "idempotency_key"

registered: dict[str, "ToolSpec"] = {}


class Caution(StrEnum):
    """What makes a tool more than its effect says."""

    NONE = "none"
    OUTSIDE = "outside"  # what it returns strangers may have written; it opens its `url`
    STORED = "stored"  # so may be what it returns, but no address in it is to be trusted
    MARKED = "marked"  # each call needs a person's approval
    ASKS = "asks"  # it is never called: a person's answer is its result


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as agents are granted it; `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    effect: Effect
    schema: dict[str, Any]
    arguments: type[BaseModel] = field(repr=False)
    function: ToolFunction = field(repr=False)
    wants_key: bool = False
    caution: Caution = Caution.NONE

    async def call(self, scope: ToolScope, arguments: Mapping[str, Json], key: str) -> Json:
        """Check `arguments` and run the tool.

        Args:
            scope: the project the call happens in.
            arguments: as the model gave them.
            key: the call's stable idempotency key, handed to tools that ask for it.

        Raises:
            ToolRefused: the arguments are wrong, or the tool will not do this; for the model.
        """
        values = self.check(arguments)
        if self.wants_key:
            values[_KEY] = key
        result = await self.function(scope, **values)
        return self._as_json(result)

    def check(self, arguments: Mapping[str, Json]) -> dict[str, Any]:
        """Return the arguments by name, checked.

        Raises:
            ToolRefused: they are wrong; for the model.
        """
        try:
            text = json.dumps(dict(arguments), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ToolRefused(f"{self.name}: the arguments are not JSON: {error}") from error
        if len(text) > MOST_ARGUMENT_BYTES:
            raise ToolRefused(
                f"{self.name}: the arguments have {len(text)} bytes; "
                f"at most {MOST_ARGUMENT_BYTES} are taken"
            )
        try:
            checked = self.arguments.model_validate_json(text)
        except ValidationError as error:
            raise ToolRefused(f"{self.name}: {_readable(error)}") from error
        named = {name: getattr(checked, name) for name in type(checked).model_fields}
        return {**(checked.model_extra or {}), **named}

    def _as_json(self, result: Json) -> Json:
        try:
            size = len(json.dumps(result, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise PermanentFailure(
                f"the tool {self.name} returned what is not JSON: {error}",
                hint="return only strings, numbers, booleans, None, lists and dicts",
            ) from error
        if size > MOST_RESULT_BYTES:
            raise ToolRefused(f"{self.name}: the result has {size} bytes, which is too much")
        return result


def tool(*, effect: Effect = Effect.READ, caution: Caution = Caution.NONE) -> Callable[[F], F]:
    """Register an `async def name(scope, ...)` as a tool; its docstring is what models read.

    Args:
        effect: what an interrupted call may do when it is met again. A parameter named
            `idempotency_key` receives the call's stable key and is not shown to models.
        caution: `Caution.MARKED` has a person approve of every call, `Caution.OUTSIDE` says
            that strangers may have written what it returns.

    Raises:
        Misconfigured: the function cannot be a tool, or its name is taken.
    """

    def register(function: F) -> F:
        spec = _spec_of(function, effect, caution)
        if spec.name in registered:
            raise Misconfigured(
                f"there are two tools named {spec.name!r}",
                hint=f"rename the function in {function.__module__}",
            )
        registered[spec.name] = spec
        return function

    return register


def _spec_of(function: ToolFunction, effect: Effect, caution: Caution) -> ToolSpec:
    name = getattr(function, "__name__", "")
    if not inspect.iscoroutinefunction(function):
        raise Misconfigured(f"the tool {name!r} is not an `async def` function")
    description = inspect.getdoc(function)
    if not description:
        raise Misconfigured(f"the tool {name!r} has no docstring for models to read")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise Misconfigured(f"the tool {name!r} takes no scope as its first argument")
    arguments = _model_of(name, function, parameters[1:])
    return ToolSpec(
        name=name,
        description=description,
        effect=effect,
        schema=_schema_of(arguments),
        arguments=arguments,
        function=function,
        wants_key=any(parameter.name == _KEY for parameter in parameters),
        caution=caution,
    )


def _model_of(
    name: str, function: ToolFunction, parameters: list[inspect.Parameter]
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    try:
        hints = get_type_hints(function, include_extras=True)
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise Misconfigured(f"the tool {name!r} takes *args or **kwargs")
            if parameter.name != _KEY:
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[parameter.name] = (hints[parameter.name], default)
        config = ConfigDict(strict=True, extra="forbid")
        return create_model(f"{name}_arguments", __config__=config, **fields)
    except (KeyError, NameError, PydanticSchemaGenerationError, PydanticUserError) as error:
        raise Misconfigured(
            f"the tool {name!r} has parameters without usable annotations: {error}"
        ) from error


def _schema_of(arguments: type[BaseModel]) -> dict[str, Any]:
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    for described in schema.get("properties", {}).values():
        described.pop("title", None)
    return schema


def _readable(error: ValidationError) -> str:
    shown = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)[:_PROBLEMS_SHOWN]
    ]
    more = error.error_count() - len(shown)
    return "; ".join(shown) + (f"; and {more} more problems" if more else "")
