"""The credential of a request becomes whoever calls (RFC 6750 section 2; OAuth 2.1 section 5.1)."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

from mcp_server.auth.principal import Principal
from mcp_server.auth.verifier import TokenVerifier
from mcp_server.metrics import LEGACY_REQUESTS
from shared.logs import get_logger
from shared.oauth.errors import InvalidRequest
from shared.policy import SCOPES, UMBRELLAS
from shared.web.fields import HeaderFields

LEGACY_HEADER: Final = "X-Val-Town-Token"

_LEGACY: Final = LEGACY_HEADER.lower().encode()
_SYMBOLS: Final = (string.ascii_letters + string.digits + "-._~+/").encode()
_LEGACY_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,1024}")
# What we issue ourselves is never sent to Val Town, not even by a client that puts it into the wrong header.
_OURS: Final = re.compile(r"eyJ[^.]*\.[^.]*\.[^.]*|vt(?:ac|cs|r)_.*")
_EVERYTHING: Final = (*UMBRELLAS, *(scope.name for scope in SCOPES.values() if scope.by_name_only))

_log = get_logger("mcp:guard")


class NoCredentialsError(Exception):
    """The request has no credential that counts here; `reason` is for the person who wonders why."""

    def __init__(self, reason: str) -> None:
        """Take a sentence."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls; with the legacy header also the Val Town token it brought, good for this one request."""

    principal: Principal
    val_town_token: str | None = field(default=None, repr=False)


class Guard:
    """Reads the credential of a request and has it checked."""

    def __init__(self, verifier: TokenVerifier | None, *, legacy: bool) -> None:
        """Take what checks access tokens (None: OAuth is off) and whether X-Val-Town-Token counts."""
        self._verifier = verifier
        self._legacy = legacy

    async def authenticate(self, fields: HeaderFields, query: bytes) -> Caller:
        """Return who sends a request with these header lines and this query.

        Raises:
            NoCredentialsError: nothing that counts was sent; a token in the query does not.
            InvalidRequest: more than one credential, or one that breaks the grammar.
            InvalidToken, KeysUnavailableError, RevocationUnknownError: as `TokenVerifier.verify`.
        """
        authorization = fields.all(b"authorization")
        sent = fields.all(_LEGACY)
        legacy = [value for value in map(_text, sent) if value] if sent else ()
        if legacy or len(authorization) != 1 or query:
            _check_single(authorization, legacy, query)
        if legacy and self._legacy:
            return _legacy_caller(legacy[0])
        if legacy and not authorization:
            raise NoCredentialsError(f"{LEGACY_HEADER} is switched off here; sign in with OAuth.")
        if self._verifier is None:
            raise NoCredentialsError(f"OAuth is not enabled here; send {LEGACY_HEADER}.")
        token = _bearer_token(authorization)
        principal = self._verifier.recall(token)
        if principal is None:
            _check_symbols(token)
            principal = await self._verifier.verify(token)
        return Caller(principal)

    def recheck(self, caller: Caller) -> None:
        """Check a caller again whose answer takes its time.

        Raises:
            InvalidToken, RevocationUnknownError: as `TokenVerifier.recheck`.
        """
        if self._verifier is not None and not caller.principal.legacy:
            self._verifier.recheck(caller.principal)


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _check_single(authorization: Sequence[bytes], legacy: Sequence[str], query: bytes) -> None:
    # Never "whichever works": the caller would not know in whose name it acts.
    if authorization and legacy:
        raise InvalidRequest(f"Send Authorization or {LEGACY_HEADER}, not both.")
    if len(authorization) > 1 or len(legacy) > 1:
        raise InvalidRequest("Send one credential, once.")
    if authorization and b"access_token" in query:
        try:
            parameters = parse_qsl(query.decode("latin-1"), max_num_fields=100)
        except ValueError:
            raise InvalidRequest("The URL has too many parameters.") from None
        if any(name == "access_token" for name, _ in parameters):
            raise InvalidRequest("Send the access token in the Authorization header alone.")


def _bearer_token(authorization: Sequence[bytes]) -> bytes:
    scheme, _, credentials = (authorization[0] if authorization else b"").strip().partition(b" ")
    if scheme.lower() != b"bearer" or not credentials:
        raise NoCredentialsError("Send an access token: Authorization: Bearer …")
    return credentials.strip(b" ")


def _check_symbols(token: bytes) -> None:
    # RFC 6750 section 2.1: b64token, with "=" at its end alone.
    symbols = token.rstrip(b"=")
    if not symbols or symbols.translate(None, _SYMBOLS):
        raise InvalidRequest("The Authorization header is malformed.")


def _legacy_caller(token: str) -> Caller:
    if not _LEGACY_TOKEN.fullmatch(token):
        raise InvalidRequest(f"{LEGACY_HEADER} is malformed.")
    if _OURS.fullmatch(token):
        raise InvalidRequest(
            f"{LEGACY_HEADER} takes a Val Town API token; send ours as Authorization: Bearer."
        )
    LEGACY_REQUESTS.inc()
    _log.debug("legacy header used")
    principal = Principal(
        # No look-up of the account: a name that is stable for one token is all that logs need.
        subject=f"x-val-town-token:{sha256(token.encode()).hexdigest()[:16]}",
        client_id=None,
        grant_id=None,
        granted=_EVERYTHING,
        scopes=frozenset(SCOPES),
        expires_at=None,
        token_id=None,
        legacy=True,
    )
    return Caller(principal, token)
