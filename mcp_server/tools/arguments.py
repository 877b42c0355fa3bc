"""From what a client sent to what the function takes: forgiving about spelling, strict about names.

Language models send "5" for 5, "true" for true, a JSON text for an object, null for "not given"; all of that
is understood. An argument nobody knows is refused by name, so that a misspelt one is never silently ignored.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from mcp_server.tools.failures import ToolError
from mcp_server.tools.schema import schema_of
from shared.strict_json import InvalidJsonError, loads

_REPORTED_PROBLEMS: Final = 5

_WHOLE_NUMBER: Final = "must be a whole number"
_PROBLEMS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not known",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "finite_number": _WHOLE_NUMBER,
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "too_long": "must have at most {max_length} items",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


class Arguments:
    """The arguments of one tool, built once from the function's signature (without its first parameter)."""

    def __init__(self, tool_name: str, function: Callable[..., object]) -> None:
        """Take the function whose parameters after the context become arguments."""
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints[parameter.name], default)
        self._tool_name = tool_name
        self._model: type[BaseModel] = create_model(
            f"{tool_name}_arguments", __config__=ConfigDict(extra="forbid"), **fields
        )
        self.schema = schema_of(self._model, "validation")
        self._names = tuple(fields)
        self._structured = frozenset(
            name
            for name, member in self.schema.get("properties", {}).items()
            if member.get("type") in ("array", "object")
        )

    def parse(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Return the keyword arguments for the function.

        Raises:
            ToolError: naming every argument that is unknown or wrong, and what it must be.
        """
        if not arguments and not self._names:
            return {}
        unknown = [name for name in arguments if name not in self._names]
        if unknown:
            raise self._unknown(unknown)
        given = {name: self._restored(name, value) for name, value in arguments.items() if value is not None}
        try:
            parsed = self._model.model_validate(given)
        except ValidationError as error:
            raise self._wrong(error) from None
        return {name: getattr(parsed, name) for name in self._names}

    def _restored(self, name: str, value: object) -> object:
        if name not in self._structured or not isinstance(value, str):
            return value
        try:
            return loads(value)
        except InvalidJsonError:
            return value

    def _unknown(self, unknown: list[str]) -> ToolError:
        shown = ", ".join(f"`{name[:64]}`" for name in unknown[:_REPORTED_PROBLEMS])
        takes = ", ".join(f"`{name}`" for name in self._names) or "no arguments"
        return ToolError(f"{self._tool_name} does not know {shown}. It takes: {takes}.")

    def _wrong(self, error: ValidationError) -> ToolError:
        problems = error.errors(include_url=False, include_input=False)[:_REPORTED_PROBLEMS]
        text = "; ".join(f"`{_place(problem)}` {_problem(problem)}" for problem in problems)
        return ToolError(f"Invalid arguments for {self._tool_name}: {text}.")


def _place(problem: ErrorDetails) -> str:
    first, *rest = problem["loc"]
    inner = (f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in rest)
    return f"{first}{''.join(inner)}"


def _problem(problem: ErrorDetails) -> str:
    return _PROBLEMS.get(problem["type"], "is not valid").format_map(problem.get("ctx", {}))
