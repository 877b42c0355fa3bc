"""pydantic's JSON Schema made lean for clients: no titles, $ref or nullable members (JSON Schema 2020-12)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel


def schema_of(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """Return the schema of what a tool takes (`validation`) or gives (`serialization`).

    Members that may be None are left out of answers instead, so they lose the null and are not required.
    The model must not be recursive.
    """
    raw = model.model_json_schema(mode=mode)
    schema = _lean(_undescribed(raw), raw.get("$defs", {}))
    if mode == "validation":
        schema = {"properties": {}, **schema, "additionalProperties": False}
    return schema


def _lean(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        target = definitions[str(schema["$ref"]).rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _lean({**_undescribed(target), **beside}, definitions)
    if "anyOf" in schema:
        return _lean(_without_null(schema), definitions)
    lean = {key: value for key, value in schema.items() if key not in ("title", "$defs")}
    if lean.get("default", ...) is None:
        del lean["default"]
    if "items" in lean:
        lean["items"] = _lean(lean["items"], definitions)
    if "properties" in lean:
        return _lean_object(lean, definitions)
    return lean


def _undescribed(schema: Mapping[str, Any]) -> dict[str, Any]:
    # A model's docstring is written for its readers, not for clients.
    return {key: value for key, value in schema.items() if key != "description"}


def _lean_object(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = schema["properties"]
    required = [name for name in schema.get("required", ()) if not _nullable(properties[name])]
    lean = {key: value for key, value in schema.items() if key != "required"}
    lean["properties"] = {name: _lean(member, definitions) for name, member in properties.items()}
    return {**lean, "required": required} if required else lean


def _nullable(schema: Mapping[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    options = [option for option in schema["anyOf"] if option != {"type": "null"}]
    if len(options) != 1:
        raise TypeError("A tool's types may be optional, but no other unions.")
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**options[0], **beside}
