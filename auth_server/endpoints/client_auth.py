"""Client authentication: a secret, a signed assertion, or none for public clients (RFC 6749 section 2.3)."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from fastapi import Request

from auth_server.domain import client_assertion, client_secrets
from auth_server.domain.client_assertion import InvalidAssertionError
from auth_server.domain.client_id_url import host_of
from auth_server.domain.limits import WRONG_SECRETS
from auth_server.models import Client
from auth_server.outbound.known_documents import TOKEN_ENDPOINT_AS_AUDIENCE
from auth_server.services import Services
from shared.audit import acting
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.errors import InvalidClient, InvalidRequest
from shared.web.fields import HeaderFields

_log = get_logger("oauth:client")
_REFUSED = "The client is unknown or did not authenticate. Register again if the registration was removed."


@dataclass(frozen=True, slots=True)
class _Presented:
    client_id: str
    secret: str | None


Find = Callable[[str], Awaitable[Client | None]]
"""Returns the client with an id."""


async def authenticate(
    request: Request, form: Mapping[str, str], services: Services, find: Find | None = None
) -> Client:
    """Return the client that sent the request.

    A client that has a secret may send it by Basic or in the body, whichever it registered; one with a key
    signs an assertion; a public one sends its `client_id` alone.

    Args:
        request: the request.
        form: its parameters.
        services: what the endpoint may use.
        find: called once, in place of a look into the store for the client alone.

    Raises:
        InvalidRequest: more than one method at a time, or a malformed header.
        InvalidClient: unknown, or the proof is missing, wrong, or sent by a client that has none.
        TooManyRequests: the proof is wrong, as too many of this client were; the right one still passes.
        TemporarilyUnavailable: the keys of the client cannot be had.
    """
    find = find or services.clients.find
    if "client_assertion" in form or "client_assertion_type" in form:
        return await _by_assertion(request, form, services, find)
    presented = _presented(request, form)
    _log.debug("request", client_id=presented.client_id[:100], with_secret=presented.secret is not None)
    client = await find(presented.client_id)
    code = Reason.CLIENT_SECRET
    if client is None:
        reason, code = "unknown client", Reason.UNKNOWN_CLIENT
    elif client.has_key:
        reason, code = "a client with a key sent no assertion", Reason.CLIENT_ASSERTION
    elif client.is_public:
        reason = "" if presented.secret is None else "a public client sent a secret"
        code = Reason.SECRET_NOT_EXPECTED
    else:
        right = presented.secret is not None and client_secrets.verify(client, presented.secret)
        reason = "" if right else "wrong or missing secret"
    if reason or client is None:
        raise await _refused(services, client, presented.client_id, reason, code)
    acting.learn(client_id=client.client_id)
    return client


async def _by_assertion(request: Request, form: Mapping[str, str], services: Services, find: Find) -> Client:
    """Return the client that signed the assertion (RFC 7521 section 4.2)."""
    if "client_secret" in form or "authorization" in request.headers:
        raise InvalidRequest("A client must use one authentication method.")
    client = None
    client_id = form.get("client_id", "")
    try:
        if form.get("client_assertion_type") != client_assertion.TYPE:
            raise InvalidAssertionError("its client_assertion_type is another")
        assertion = client_assertion.take_apart(form.get("client_assertion", ""))
        client_id = form.get("client_id", assertion.client_id)
        client = await find(assertion.client_id)
        if client is None or not client.has_key or client.client_id != client_id:
            raise InvalidAssertionError(
                "it is of no client that signs assertions, or of another than it says"
            )
        keys = await services.client_key_sets.keys_for(client, assertion)
        now = services.clock.now()
        jti, until = client_assertion.verify(assertion, keys, audiences=_audiences(services, client), now=now)
        if not await services.assertions.use(client.client_id, jti, seconds=until - int(now)):
            raise InvalidAssertionError("it was used before")
    except InvalidAssertionError as error:
        raise await _refused(
            services, client, client_id, f"assertion: {error}", Reason.CLIENT_ASSERTION
        ) from None
    acting.learn(client_id=client.client_id)
    return client


def _audiences(services: Services, client: Client) -> tuple[str, ...]:
    issuer = services.settings.oauth_issuer_url
    named_otherwise = client.by_document and host_of(client.client_id) in TOKEN_ENDPOINT_AS_AUDIENCE
    return (issuer, f"{issuer}/oauth/token") if named_otherwise else (issuer,)


async def _refused(
    services: Services, client: Client | None, client_id: str, reason: str, code: Reason
) -> InvalidClient:
    _log.info("client refused", reason=reason, client_id=client_id[:100])
    # A bucket only for clients that exist, or anybody could fill the store with buckets.
    if client is not None:
        acting.learn(client_id=client.client_id)
        await services.limiter.take(WRONG_SECRETS, client.client_id)
    return InvalidClient(_REFUSED, reason=code)


def _presented(request: Request, form: Mapping[str, str]) -> _Presented:
    headers = HeaderFields.of(request.scope).all(b"authorization")
    if len(headers) > 1:
        raise InvalidRequest("There must be one Authorization header.")
    if not headers:
        client_id = form.get("client_id")
        if client_id is None:
            raise InvalidClient("The client_id is missing.")
        return _Presented(client_id, form.get("client_secret"))
    if "client_secret" in form:
        raise InvalidRequest("A client must use one authentication method: the header or the body.")
    client_id, secret = _basic(headers[0].decode("latin-1"))
    if form.get("client_id", client_id) != client_id:
        raise InvalidRequest("The client_id of the body is not the one of the Authorization header.")
    # As in a form, an empty value counts as not sent: public clients do this.
    return _Presented(client_id, secret or None)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("The Authorization header must use the Basic scheme here.")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise InvalidClient("The Authorization header is not valid Basic authentication.") from None
    client_id, colon, secret = pair.partition(":")
    if not colon:
        raise InvalidClient("The Authorization header is not valid Basic authentication.")
    return _form_decoded(client_id), _form_decoded(secret)


def _form_decoded(value: str) -> str:
    # RFC 6749 section 2.3.1: both halves are form-encoded before they are put into the header.
    try:
        return unquote_to_bytes(value.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidClient("The Authorization header is not valid Basic authentication.") from None
