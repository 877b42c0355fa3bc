"""The storage contract: one small Protocol per record, with the atomicity each method promises.

Every method may raise `StoreError`: then nothing is known about the outcome, and the caller answers 503.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from auth_server.models import (
    AuthorizationCode,
    Client,
    Grant,
    GrantSummary,
    PendingAuthorization,
    RememberedConsent,
    UserSession,
)

CODE_SECONDS = 60
"""Life of an authorization code; RFC 9700 and FAPI 2.0 want no more."""

PENDING_SECONDS = 600
"""How long a person has to sign in and decide."""

SESSION_SECONDS = 3600
"""How long a person stays signed in with a browser."""


class Redemption(StrEnum):
    """What became of a code that was presented."""

    OK = "ok"
    UNKNOWN = "unknown"
    WRONG_CLIENT = "wrong_client"
    WRONG_REDIRECT_URI = "wrong_redirect_uri"
    WRONG_VERIFIER = "wrong_verifier"
    REUSED = "reused"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CHANGED = "changed"
    """The person took scopes from the grant meanwhile: make the token anew."""


class Narrowing(StrEnum):
    """What became of scopes that a person takes from a grant."""

    OK = "ok"
    CHANGED = "changed"
    """Somebody else did meanwhile."""
    GONE = "gone"


class Rotation(StrEnum):
    """What became of a refresh token that was presented."""

    OK = "ok"
    REPLAYED = "replayed"
    """Within the grace window: the answer of the first use goes out again."""
    UNKNOWN = "unknown"
    WRONG_CLIENT = "wrong_client"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REUSED = "reused"
    CHANGED = "changed"
    """The person took scopes from the grant meanwhile: make the token anew."""
    AHEAD = "ahead"
    """Of a generation the store has not seen: it lost a write."""


class Management(StrEnum):
    """What became of a change to a registration."""

    OK = "ok"
    GONE = "gone"
    SHARED = "shared"
    """Other registrations use the same client: nothing was changed."""


@dataclass(frozen=True, slots=True)
class CodeRedemption:
    """A code presented at the token endpoint. `redirect_uri` is None when the request did not send one."""

    grant_id: str
    code_hash: str
    client_id: str
    redirect_uri: str | None
    code_challenge: str
    subject: str
    version: int
    """Both of the grant, when the access token was made that goes out."""
    refresh_hash: str | None
    """Of the first refresh token; None when the client gets none."""


@dataclass(frozen=True, slots=True)
class RefreshRotation:
    """A refresh token presented at the token endpoint, with the successor that is ready to take its place."""

    grant_id: str
    client_id: str
    generation: int
    subject: str
    version: int
    """Both of the grant, when the access token was made that goes out."""
    presented_hash: str
    successor_hash: str
    sealed_response: str
    epoch: str = ""
    """Of the store (`healing_epoch`): then a token that is ahead is taken for one whose record was lost."""


@dataclass(frozen=True, slots=True)
class SignInTrip:
    """A person who is away at Val Town to sign in.

    Attributes:
        handle: of the pending authorization they come back to.
        browser: the hash of the cookie of the browser they left with.
        verifier: of PKCE (RFC 7636).
        client_id: ours there, with `client_secret`.
    """

    handle: str = field(repr=False)
    browser: str
    verifier: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)


class ValTownSignInStore(Protocol):
    """People who are away at Val Town, and this server's own registration there. All of it is sealed."""

    async def save_trip(self, state: str, trip: SignInTrip) -> None:
        """Keep a trip for ten minutes."""
        ...

    async def take_trip(self, state: str) -> SignInTrip | None:
        """Return a trip and end it. Atomic: it is returned once."""
        ...

    async def client(self) -> tuple[str, str] | None:
        """Return this server's client_id and client_secret at Val Town."""
        ...

    async def keep_client(self, client_id: str, client_secret: str) -> tuple[str, str]:
        """Keep a registration, unless there is one; return the one that counts. Atomic."""
        ...

    async def forget_client(self, client_id: str) -> None:
        """Forget a registration that Val Town does not know any more."""
        ...


class ClientStore(Protocol):
    """Registered clients."""

    async def add(self, client: Client) -> Client:
        """Keep a new client; return it, or the one that an identical registration made at the same time."""
        ...

    async def join(self, fingerprint: str) -> Client | None:
        """Return the public client that a registration with this fingerprint shares, and count it.

        Atomic: a client that was changed or removed is not returned, and one that was returned is not changed
        or removed by another of those who share it.
        """
        ...

    async def find(self, client_id: str) -> Client | None:
        """Return a client."""
        ...

    async def keep_alive(self, client: Client) -> None:
        """Put off the expiry of a client that is in use, beyond any grant it may hold."""
        ...

    async def hold(self, client_id: str) -> None:
        """Keep a client for as long as a code that was just approved may take to become a token."""
        ...

    async def replace(self, client: Client) -> Management:
        """Replace a client's metadata, unless others share it. Atomic; it is never shared from then on."""
        ...

    async def keep_document(self, client: Client) -> None:
        """Keep what the document of a client says now, in place of what it said before.

        For an hour, if it leads to no token; what was put off longer stays so.
        """
        ...

    async def close(self, client_id: str, *, though_shared: bool = False) -> Management:
        """Make a client unknown to everybody, unless others share it. Atomic; safe to repeat for a day."""
        ...

    async def remove(self, client_id: str) -> None:
        """Forget a client that was closed."""
        ...


class TokenRequestStore(Protocol):
    """What a request to the token endpoint is about."""

    async def find(self, client_id: str, grant_id: str | None) -> tuple[Client | None, Grant | None]:
        """Return a client, and a grant that is pending or active, in one round trip; None: not there."""
        ...


class AssertionStore(Protocol):
    """Client assertions that were used (RFC 7523 section 3)."""

    async def use(self, client_id: str, jti: str, *, seconds: int) -> bool:
        """Note that an assertion was used, for as long as it is good; return whether it was the first time.

        Atomic: of several at once, on whichever replicas, one gets True.
        """
        ...


class PendingAuthorizationStore(Protocol):
    """Requests that wait for a person."""

    async def save(self, handle: str, pending: PendingAuthorization) -> None:
        """Keep a request for ten minutes under a handle that only its browser knows."""
        ...

    async def find(self, handle: str, browser: str) -> PendingAuthorization | None:
        """Return the request, if it is of this browser (the hash of its cookie) and not over."""
        ...

    async def take(self, handle: str, browser: str) -> PendingAuthorization | None:
        """Return the request as `find` does and end it. Atomic: it is returned once."""
        ...


class SessionStore(Protocol):
    """People signed in."""

    async def save(self, session: UserSession) -> None:
        """Keep a session for an hour."""
        ...

    async def find(self, session_id: str) -> UserSession | None:
        """Return a session that is not over."""
        ...

    async def end(self, session_id: str) -> bool:
        """Forget a session; return whether there was one. Atomic: of several at once, one gets True."""
        ...


class ConsentStore(Protocol):
    """Decisions that people let count again, one for a person and a client."""

    async def keep(self, subject: str, client_id: str, consent: RememberedConsent) -> None:
        """Keep a decision in place of an older one, for as long as a grant may live.

        Never raises: it is a convenience, and the grant it belongs to is made already.
        """
        ...

    async def find(self, subject: str, client_id: str) -> RememberedConsent | None:
        """Return a decision; whether it still counts is for the caller to find out."""
        ...

    async def forget(self, subject: str, client_id: str) -> None:
        """Forget a decision. Safe to repeat."""
        ...


class GrantStore(Protocol):
    """Grants with code, refresh token family and sealed credential: one unit, one transition at a time."""

    async def create(self, grant: Grant, code: AuthorizationCode, sealed_credential: str) -> None:
        """Keep a pending grant with its code and credential, all or nothing, until the code expires."""
        ...

    async def find(self, grant_id: str) -> Grant | None:
        """Return a grant that is pending or active."""
        ...

    async def of_user(self, subject: str) -> list[GrantSummary]:
        """Return a person's live grants, pending or active, newest first: for lists, never for decisions."""
        ...

    async def refresh_expiry(self, grant_id: str, token_hash: str) -> int | None:
        """Return when a grant's refresh token expires, in seconds since the epoch.

        None when the token is not the current one, or is over already.
        """
        ...

    async def is_access_token_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether one access token was revoked, though its grant may live."""
        ...

    async def redeem(self, redemption: CodeRedemption) -> Redemption:
        """Check a code against everything it is bound to and use it up. Atomic: OK at most once.

        A replay that is right in every other respect revokes the grant (RFC 6749 section 4.1.2); a wrong one
        changes nothing.
        """
        ...

    async def rotate(self, rotation: RefreshRotation) -> tuple[Rotation, str | None]:
        """Replace the current refresh token by its successor. Atomic: one live tip at any time.

        The previous token gets REPLAYED and the sealed response of its first use within the grace window;
        after it, REUSED, and the grant is revoked (RFC 9700 section 4.14.2). With an epoch, one that is ahead
        gets OK, once for a grant; whoever is ahead after that proves that the first was not the newest:
        REUSED.
        """
        ...

    async def healing_epoch(self) -> str | None:
        """Return the name of the store's epoch, while refresh tokens may come that it lost when it began.

        None: it has lost nothing, as far as is known, or too long ago.
        """
        ...

    async def narrow(self, grant: Grant, scopes: Sequence[str]) -> Narrowing:
        """Leave a grant these of its scopes, end the access tokens it has, and tell every mcp_server.

        Atomic with `redeem` and `rotate`: no token with more goes out afterwards.
        """
        ...

    async def revoke(self, grant_id: str, *, reason: str) -> bool:
        """End a grant and everything issued from it, and tell every mcp_server; return if it was alive."""
        ...

    async def revoke_client(self, client_id: str, *, thorough: bool = False) -> None:
        """End the grants of a client that was closed, as `revoke` does; one by one, safe to repeat.

        The newest ones, found in a list; thorough: every one, found by looking at all grants there are.
        """
        ...

    async def revoke_access_token(self, grant_id: str, token_id: str, *, expires_at: int) -> None:
        """End one access token (it expires at that second anyway), and tell every mcp_server."""
        ...
