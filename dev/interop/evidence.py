"""What the proxies saw while a client did something, and whether it shows what the client says it did."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from dev.flow import claims_of
from dev.interop.matrix import Case, Registration
from dev.mcp_messages import MODERN
from dev.round_robin import Exchange

STEP_UP_SCOPE: Final = "user:read"

_TOKEN: Final = "/oauth/token"
_AUTHORIZE: Final = "/oauth/authorize"
_REGISTER: Final = "/oauth/register"

Replica = tuple[bool, int]
"""Whether it is one of mcp_server, and its number."""


class UnprovedError(Exception):
    """The wire does not show what a client says that it did; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests and answers of one phase."""

    exchanges: Sequence[Exchange]

    def has(self, what: Callable[[Exchange], bool]) -> bool:
        """Return whether one of them is so."""
        return any(what(exchange) for exchange in self.exchanges)

    def require(self, what: Callable[[Exchange], bool], sentence: str) -> None:
        """Raise unless one of them is so."""
        if not self.has(what):
            raise UnprovedError(sentence)

    def refuse(self, what: Callable[[Exchange], bool], sentence: str) -> None:
        """Raise when one of them is so."""
        if self.has(what):
            raise UnprovedError(sentence)

    @property
    def token(self) -> str:
        """The newest access token that was taken."""
        taken = [exchange.bearer for exchange in self.exchanges if exchange.bearer and exchange.status < 300]
        return taken[-1] if taken else ""

    @property
    def grant_id(self) -> str:
        """The grant that the newest access token belongs to."""
        return str(claims_of(self.token)["gid"])


def connected(seen: Seen, case: Case, known_as: str | None) -> None:
    """Check a first connection: refused, discovered, authorized, in the right era, as the right client."""
    seen.require(_is_challenged, "no 401 with a challenge")
    seen.require(_is_metadata, "no metadata was read")
    seen.require(_redeems_code, "no code was redeemed")
    seen.require(lambda exchange: _is_mcp(exchange, case.era), f"no message of {case.era} was answered")
    dynamic = case.registration is Registration.DYNAMIC
    if seen.has(lambda exchange: exchange.path == _REGISTER) is not dynamic:
        raise UnprovedError("no registration" if dynamic else "it registered, though it was known")
    if known_as:
        seen.require(lambda exchange: client_of(exchange) == known_as, "it used another client_id")


def refreshed(seen: Seen) -> None:
    """Check that a refresh token was used, and nobody was asked anything."""
    seen.require(lambda exchange: _grants(exchange, "refresh_token"), "no refresh token was taken")
    seen.refuse(lambda exchange: exchange.path == _AUTHORIZE, "the person was asked again")


def stepped_up(seen: Seen) -> None:
    """Check that a tool was refused for its scope, and the person asked for that scope."""
    seen.require(_lacks_scope, "no 403 with insufficient_scope")
    seen.require(
        lambda exchange: STEP_UP_SCOPE in exchange.query.get("scope", "").split(),
        f"the person was not asked for {STEP_UP_SCOPE}",
    )
    seen.require(_redeems_code, "no code was redeemed")


def why_not_stepped_up(seen: Seen) -> str:
    """Return what the wire tells about a client that did not step up."""
    refreshes = seen.has(lambda exchange: _grants(exchange, "refresh_token"))
    if seen.has(_lacks_scope) and refreshes and not seen.has(lambda exchange: exchange.path == _AUTHORIZE):
        return "on the 403 it refreshed its token, which cannot widen a grant, and asked nobody"
    return ""


def authorized_again(seen: Seen) -> None:
    """Check that a dead token was refused, and a new authorization followed."""
    seen.require(lambda exchange: _is_refused(exchange) or _is_dead_grant(exchange), "nothing was refused")
    seen.require(_redeems_code, "no code was redeemed")


def replicas_used(seen: Seen) -> set[Replica]:
    """Return which replicas answered."""
    return {(exchange.path == "/mcp", exchange.replica) for exchange in seen.exchanges}


def client_of(exchange: Exchange) -> str | None:
    """Return the client_id that a request to the token endpoint names, in its form or by Basic."""
    if exchange.path != _TOKEN:
        return None
    scheme, _, encoded = exchange.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return unquote(base64.b64decode(encoded).decode().partition(":")[0])
    return exchange.form.get("client_id")


def _is_mcp(exchange: Exchange, era: str) -> bool:
    if exchange.path != "/mcp" or exchange.method != "POST" or exchange.status != 200:
        return False
    message: dict[str, Any] = json.loads(exchange.body)
    if era == MODERN:
        return exchange.headers.get("mcp-protocol-version") == era
    asked = message.get("params", {}).get("protocolVersion")
    return message.get("method") == "initialize" and asked == era


def _is_challenged(exchange: Exchange) -> bool:
    return exchange.status == 401 and "resource_metadata=" in exchange.answer.get("www-authenticate", "")


def _is_refused(exchange: Exchange) -> bool:
    return exchange.status == 401 and 'error="invalid_token"' in exchange.answer.get("www-authenticate", "")


def _is_dead_grant(exchange: Exchange) -> bool:
    return (
        exchange.path == _TOKEN
        and exchange.status == 400
        and exchange.form.get("grant_type") == "refresh_token"
    )


def _lacks_scope(exchange: Exchange) -> bool:
    challenge = exchange.answer.get("www-authenticate", "")
    return exchange.status == 403 and 'error="insufficient_scope"' in challenge


def _is_metadata(exchange: Exchange) -> bool:
    return exchange.status == 200 and exchange.path.startswith("/.well-known/oauth-authorization-server")


def _redeems_code(exchange: Exchange) -> bool:
    return _grants(exchange, "authorization_code")


def _grants(exchange: Exchange, grant_type: str) -> bool:
    return (
        exchange.path == _TOKEN and exchange.status == 200 and exchange.form.get("grant_type") == grant_type
    )
