"""Request parameters: form, query or strict JSON; repeated ones are noticed (RFC 6749, 3.1 and 3.2)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from auth_server.domain.authorization_request import AuthorizationParameters
from shared.oauth.errors import InvalidRequest, InvalidTarget
from shared.refusals.transport import WRONG_MEDIA_TYPE
from shared.strict_json import InvalidJsonError, load_object
from shared.web.fields import HeaderFields
from shared.web.limits import read_body

MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 100

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def parse(encoded: bytes) -> AuthorizationParameters:
    """Return the parameters of a query string or form.

    Empty ones count as not sent. `resource` may be repeated with the same value (RFC 8707 section 2).

    Raises:
        InvalidRequest: too many, or not UTF-8.
    """
    try:
        text = encoded.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise InvalidRequest("The parameters are too many or not UTF-8.") from None
    values: dict[str, str] = {}
    repeated = set()
    for name, value in pairs:
        if name in values and not (name == "resource" and values[name] == value):
            repeated.add(name)
        values[name] = value
    return AuthorizationParameters(
        values={name: value for name, value in values.items() if value}, repeated=frozenset(repeated)
    )


async def read_form(request: Request, *, allow_json: bool = False) -> Mapping[str, str]:
    """Return the parameters of a POST, each once, empty ones left out.

    Args:
        request: the request, its body not read yet.
        allow_json: also take one JSON object with string values, under the same rules.

    Raises:
        InvalidRequest: another content type, a repeated parameter, a malformed body.
        RequestRefusedError: the body is too large or too slow.
    """
    content_type = check_content_type(request, *((FORM, JSON) if allow_json else (FORM,)))
    body = await read_body(request.scope, request.receive, limit=MAX_BODY_BYTES)
    return _single(parse(body)) if content_type == FORM else _from_json(body)


def check_content_type(request: Request, *accepted: str) -> str:
    """Return the media type of the request's body, without parameters.

    Raises:
        InvalidRequest: with status 415, when it is none of those accepted.
    """
    sent = HeaderFields.of(request.scope).all(b"content-type")
    content_type = sent[0].decode("latin-1").partition(";")[0].strip().lower() if sent else ""
    if content_type not in accepted:
        raise InvalidRequest(
            f"The Content-Type must be {' or '.join(accepted)}.", status=WRONG_MEDIA_TYPE.status
        )
    return content_type


def _single(parameters: AuthorizationParameters) -> Mapping[str, str]:
    if "resource" in parameters.repeated:
        raise InvalidTarget("A token is for one resource only.")
    if parameters.repeated:
        raise InvalidRequest(f"Parameters must not be repeated: {' '.join(sorted(parameters.repeated))}")
    return parameters.values


def _from_json(body: bytes) -> Mapping[str, str]:
    try:
        members = load_object(body)
    except InvalidJsonError as error:
        raise InvalidRequest(f"The JSON body is refused: {error}.") from None
    values = {}
    for name, value in members.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"The {name} member must be a string.")
        if value:
            values[name] = value
    return values


def refuse_credentials_in_query(request: Request) -> None:
    """Refuse a POST whose URL carries parameters of its own (RFC 6749 section 2.3.1): URLs end up in logs.

    Raises:
        InvalidRequest: it does.
    """
    if not request.scope["query_string"]:
        return
    query = parse(request.scope["query_string"])
    sent = {"client_id", "client_secret", "code", "code_verifier", "refresh_token", "token"} & set(
        query.values
    )
    if sent:
        raise InvalidRequest("Parameters belong in the request body, not in the URL.")
