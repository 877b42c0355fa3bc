"""docs/openapi.json: the authorization server's protocol endpoints as an OpenAPI 3.1 document.

Written by hand, because endpoints read their bodies themselves: what a form may hold, and what is refused, is
told by RFCs and not by Python types. A test sends what the document allows and forbids, and holds the answers
against it.
"""

import json
from typing import Any, Final

from auth_server.domain.client_metadata import AUTH_METHODS

_TEXT: Final = {"type": "string"}
_URL: Final = {"type": "string", "format": "uri"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}

_CLIENT: Final = {"client_id": _TEXT, "client_secret": _TEXT}
_TOKEN_FORM: Final = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"enum": ["authorization_code", "refresh_token"]},
        **_CLIENT,
        "code": _TEXT,
        "redirect_uri": _URL,
        "code_verifier": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$"},
        "refresh_token": _TEXT,
        "scope": _TEXT,
        "resource": _URL,
    },
}
_ONE_TOKEN_FORM: Final = {
    "type": "object",
    "required": ["token"],
    "properties": {**_CLIENT, "token": _TEXT, "token_type_hint": _TEXT},
}
_METADATA_OF_CLIENT: Final = {
    "type": "object",
    "required": ["redirect_uris"],
    "properties": {
        "redirect_uris": {"type": "array", "items": _URL, "minItems": 1, "maxItems": 20},
        "client_name": {"type": "string", "maxLength": 200},
        "token_endpoint_auth_method": {"enum": list(AUTH_METHODS)},
        "grant_types": _TEXTS,
        "response_types": _TEXTS,
        "scope": _TEXT,
        "application_type": {"enum": ["web", "native"]},
        "client_uri": _URL,
    },
}
_SCHEMAS: Final[dict[str, Any]] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": _TEXT, "error_description": _TEXT},
        "additionalProperties": False,
    },
    "Tokens": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": _TEXT,
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer", "minimum": 1},
            "scope": _TEXT,
            "refresh_token": _TEXT,
        },
        "additionalProperties": False,
    },
    "Introspection": {
        "type": "object",
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            "scope": _TEXT,
            "client_id": _TEXT,
            "exp": {"type": "integer"},
        },
    },
    "Registered": {
        "type": "object",
        "required": ["client_id", "redirect_uris", "registration_access_token", "registration_client_uri"],
        "properties": {"client_id": _TEXT, "client_secret": _TEXT, "redirect_uris": _TEXTS},
    },
    "ServerMetadata": {
        "type": "object",
        "required": [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
        ],
        "properties": {
            "issuer": _URL,
            "token_endpoint": _URL,
            "code_challenge_methods_supported": {"const": ["S256"]},
        },
    },
    "JwkSet": {
        "type": "object",
        "required": ["keys"],
        "properties": {
            "keys": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kty", "kid", "alg", "use"],
                    "properties": {"kty": _TEXT, "kid": _TEXT, "use": {"const": "sig"}},
                    # None of a private key's members.
                    "not": {"anyOf": [{"required": [name]} for name in ("d", "p", "q", "k")]},
                },
            }
        },
    },
}


def document() -> str:
    """Return the file."""
    return json.dumps(openapi(), indent=2) + "\n"


def openapi() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Val Town MCP authorization server",
            "version": "1",
            "description": "Every refusal is listed, with what to do about it, in errors.md.",
        },
        "paths": {
            "/.well-known/oauth-authorization-server": _document(
                "server metadata, RFC 8414", "ServerMetadata"
            ),
            "/.well-known/openid-configuration": _document(
                "the same, where OpenID clients look", "ServerMetadata"
            ),
            "/.well-known/jwks.json": _document("public keys, RFC 7517", "JwkSet"),
            "/oauth/token": {
                "post": _operation(
                    "token endpoint, RFC 6749 section 3.2",
                    {200: "Tokens"},
                    body={"application/x-www-form-urlencoded": _TOKEN_FORM, "application/json": _TOKEN_FORM},
                    refused=(400, 401, 413, 415, 429, 503),
                )
            },
            "/oauth/revoke": {
                "post": _operation(
                    "revocation, RFC 7009",
                    {200: None},
                    body={"application/x-www-form-urlencoded": _ONE_TOKEN_FORM},
                    refused=(400, 401, 413, 415, 429, 503),
                )
            },
            "/oauth/introspect": {
                "post": _operation(
                    "introspection of the client's own tokens, RFC 7662",
                    {200: "Introspection"},
                    body={"application/x-www-form-urlencoded": _ONE_TOKEN_FORM},
                    refused=(400, 401, 413, 415, 429, 503),
                )
            },
            "/oauth/register": {
                "post": _operation(
                    "registration, RFC 7591",
                    {201: "Registered"},
                    body={"application/json": _METADATA_OF_CLIENT},
                    refused=(400, 413, 415, 429, 503),
                )
            },
            "/oauth/register/{client_id}": _management(),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"registration": {"type": "http", "scheme": "bearer"}},
        },
    }


def _document(summary: str, schema: str) -> dict[str, Any]:
    return {"get": _operation(summary, {200: schema}, refused=(503,))}


def _management() -> dict[str, Any]:
    refused = (400, 401, 403, 413, 415, 429, 503)
    security: list[dict[str, list[str]]] = [{"registration": []}]
    parameter = {"name": "client_id", "in": "path", "required": True, "schema": _TEXT}
    operations = {
        "get": _operation("read a registration, RFC 7592", {200: "Registered"}, refused=refused),
        "put": _operation(
            "replace its metadata, RFC 7592",
            {200: "Registered"},
            body={"application/json": _METADATA_OF_CLIENT},
            refused=refused,
        ),
        "delete": _operation("remove it, RFC 7592", {204: None}, refused=refused),
    }
    return {
        "parameters": [parameter],
        **{name: {**operation, "security": security} for name, operation in operations.items()},
    }


def _operation(
    summary: str,
    answers: dict[int, str | None],
    *,
    body: dict[str, Any] | None = None,
    refused: tuple[int, ...],
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, schema in answers.items():
        content = {} if schema is None else {"content": _json({"$ref": f"#/components/schemas/{schema}"})}
        responses[str(status)] = {"description": "Done.", **content}
    for status in refused:
        responses[str(status)] = {"description": "Refused; nothing changed.", "content": _json(_ERROR)}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if body is not None:
        content = {media_type: {"schema": schema} for media_type, schema in body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
