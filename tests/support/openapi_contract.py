"""Checks requests and responses against Val Town's OpenAPI document, when VALTOWN_OPENAPI names a copy."""

import json
import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

VARIABLE = "VALTOWN_OPENAPI"

OUR_OWN_PATHS = ("/healthz", "/run/")
"""Answered by the stand-in only."""


@dataclass
class OpenApiContract:
    """The document, and the operations seen so far as (method, path, status)."""

    document: dict[str, Any]
    seen: set[tuple[str, str, int]] = field(default_factory=set)

    def check(self, response: httpx.Response) -> None:
        """Assert that a response is one its operation may give; errors nobody documented carry a message."""
        method = response.request.method.lower()
        # As it was sent: a key in a path may hold an encoded slash.
        path = response.request.url.raw_path.partition(b"?")[0].decode("ascii")
        template = self._template(path, method)
        operation = self.document["paths"].get(template, {}).get(method, {})
        documented = operation.get("responses", {}).get(str(response.status_code))
        if documented is None:
            assert response.status_code >= 400 or path == "/" or path.startswith(OUR_OWN_PATHS), (
                f"{method} {path} may not answer {response.status_code}"
            )
            if response.status_code >= 400:
                assert isinstance(response.json()["message"], str)
            return
        self.seen.add((method, template, response.status_code))
        if response.content or response.status_code == 200:
            self._check_content(response, documented)

    def check_request(self, request: httpx.Request) -> tuple[str, str]:
        """Assert that a request is one the document describes; return its method and path template."""
        method, path = request.method.lower(), request.url.raw_path.partition(b"?")[0].decode("ascii")
        template = self._template(path, method)
        assert template, f"{method} {path} is not documented"
        operation = self.document["paths"][template][method]
        known = {item["name"]: item for item in operation.get("parameters", ()) if item["in"] == "query"}
        for name in request.url.params:
            assert name in known, f"{method} {template} has no parameter {name}"
            values = request.url.params.get_list(name)
            self._validate(_typed(values, known[name]["schema"]), known[name]["schema"])
        for name, item in known.items():
            # The document calls parameters required that have a default.
            optional = not item.get("required") or "default" in item["schema"]
            assert optional or name in request.url.params, f"{method} {template} needs {name}"
        body = operation.get("requestBody")
        if body is None:
            assert not request.content
            assert "content-type" not in request.headers
        elif request.headers["content-type"] == "application/json":
            self._validate(json.loads(request.content), body["content"]["application/json"]["schema"])
        return method, template

    def _template(self, path: str, method: str) -> str:
        # A literal step wins over a parameter, as it does for a router.
        for template in sorted(self.document["paths"], key=lambda known: known.count("{")):
            fits = re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
            if fits and method in self.document["paths"][template]:
                return str(template)
        return ""

    def _check_content(self, response: httpx.Response, documented: dict[str, Any]) -> None:
        media_type = response.headers["content-type"].partition(";")[0]
        contents = documented.get("content", {})
        assert media_type in contents, f"{media_type} instead of {sorted(contents)}"
        if media_type == "application/json":
            self._validate(response.json(), contents[media_type]["schema"])

    def _validate(self, value: object, schema: dict[str, Any]) -> None:
        # Here, because only this needs it; it comes without stubs.
        from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

        formats = FormatChecker()
        formats.checks("date-time")(_is_date_time)
        formats.checks("uri")(_is_absolute_uri)
        whole = {**schema, "components": self.document["components"]}
        errors = [
            error.message for error in Draft202012Validator(whole, format_checker=formats).iter_errors(value)
        ]
        assert not errors, errors


def _typed(values: list[str], schema: dict[str, Any]) -> object:
    if schema.get("type") == "array":
        return values
    (value,) = values
    if schema.get("type") == "integer":
        return int(value)
    return value == "true" if schema.get("type") == "boolean" and value in ("true", "false") else value


def load() -> OpenApiContract | None:
    """Return the contract of the document at VALTOWN_OPENAPI; None without it, or without jsonschema."""
    named = os.environ.get(VARIABLE)
    if not named or find_spec("jsonschema") is None:
        return None
    return OpenApiContract(json.loads(Path(named).read_text(encoding="utf-8")))


def _is_date_time(value: object) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(value)) is not None


def _is_absolute_uri(value: object) -> bool:
    parts = urlsplit(str(value))
    return bool(parts.scheme and parts.netloc) and re.fullmatch(r"[!-~]+", str(value)) is not None
