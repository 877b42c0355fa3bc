"""Request targets that no argument can redirect: every parameter stays one piece (RFC 3986 section 2.1)."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

import httpx

from shared.valtown.errors import BadRequest

Query = Mapping[str, str | int | bool | Sequence[str] | None]


def build_target(base_url: str, template: str, parameters: Mapping[str, str], query: Query) -> httpx.URL:
    """Return the URL of a path template such as `/v2/vals/{val_id}` below the base URL.

    Args:
        base_url: the configured address; nothing in `parameters` or `query` can leave it.
        template: the path, with a name in braces for every parameter.
        parameters: each becomes exactly one path segment.
        query: None leaves a name out; booleans are written `true` and `false`; a list repeats the name.

    Raises:
        BadRequest: a parameter is empty, a dot segment or not text that can be sent.
    """
    try:
        path = template.format_map({name: _segment(name, value) for name, value in parameters.items()})
        pairs = list(_pairs(query))
        search = f"?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else ""
    except UnicodeEncodeError:
        raise BadRequest(None, "A value holds half a character (a lone surrogate).") from None
    return httpx.URL(f"{base_url.rstrip('/')}{path}{search}")


def _segment(name: str, value: str) -> str:
    # RFC 3986 section 6.2.2.3: dot segments are removed on the way, encoded or not, and would climb.
    if value in ("", ".", ".."):
        raise BadRequest(None, f"{name} must not be empty, '.' or '..'.")
    if any(character < " " or character == "\x7f" for character in value):
        raise BadRequest(None, f"{name} must not hold control characters.")
    return quote(value, safe="")


def _pairs(query: Query) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        if isinstance(value, str | int):
            yield name, _plain(value)
        elif value is not None:
            yield from ((name, item) for item in value)


def _plain(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
