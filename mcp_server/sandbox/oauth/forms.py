"""Parameters of a query or of an `application/x-www-form-urlencoded` body (RFC 6749 section 3.1 and 3.2)."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from mcp_server.sandbox.bodies import MAX_BODY_BYTES, raw_body
from mcp_server.sandbox.errors import BadRequestError
from mcp_server.sandbox.oauth.errors import OAuthError

Parameters = Mapping[str, str]
MAX_FIELDS = 100

_read = raw_body(MAX_BODY_BYTES)


async def form(request: Request) -> Parameters:
    """Return the parameters in the body.

    Raises:
        OAuthError: `invalid_request`; another media type, unreadable, or a parameter twice.
        PayloadTooLargeError: over `MAX_BODY_BYTES`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the body is not application/x-www-form-urlencoded")
    try:
        return single(parsed((await _read(request)).decode("ascii")))
    except ValueError:
        raise OAuthError("invalid_request", "the body is no form") from None


async def query(request: Request) -> Parameters:
    """Return the parameters in the query.

    Raises:
        BadRequestError: unreadable, or a parameter twice.
    """
    try:
        return single(parsed(request.scope["query_string"].decode("ascii")))
    except (ValueError, OAuthError):
        raise BadRequestError("The query cannot be read, or says something twice") from None


def parsed(text: str) -> list[tuple[str, str]]:
    """Return names and values.

    Raises:
        ValueError: not UTF-8 inside, or more than `MAX_FIELDS`.
    """
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)


def single(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Return the parameters that have a value; one without is as good as absent.

    Raises:
        OAuthError: `invalid_request`; one is there twice.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise OAuthError("invalid_request", f"{name} is there twice")
        found[name] = value
    return {name: value for name, value in found.items() if value}
