"""The records: what the authorization server keeps. No I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client (RFC 7591).

    Attributes:
        metadata: what was registered, as it is echoed to the client.
        fingerprint: of the metadata, when an identical registration may share this client; else empty.
        by_operator: the operator registered it by command; it never expires.
        by_document: its `client_id` is the URL of the document that describes it.
        fresh_until: when that document is to be read again, in seconds since the epoch.
        lasts: its record is known to outlive any grant it may hold, and need not be kept alive.
    """

    client_id: str
    secret_hash: str | None
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    metadata: Mapping[str, object] = field(default_factory=dict)
    fingerprint: str = ""
    by_operator: bool = False
    by_document: bool = False
    fresh_until: int = 0
    lasts: bool = field(default=False, compare=False)

    @property
    def is_public(self) -> bool:
        """Whether the client has neither a secret nor a key to prove itself with."""
        return self.secret_hash is None and not self.has_key

    @property
    def has_key(self) -> bool:
        """Whether the client signs assertions with a key of its own (`private_key_jwt`, RFC 7523)."""
        return self.metadata.get("token_endpoint_auth_method") == "private_key_jwt"

    @property
    def name(self) -> str:
        """The name the client gave itself: unverified text."""
        return str(self.metadata.get("client_name") or "")


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """A validated request that waits for sign-in and consent, bound to one browser.

    `browser` is the hash of that browser's cookie. When a new sign-in was asked for,
    `signed_in_before` is the hash of the session that does not count; otherwise it is empty.
    `ask_for_consent`: the client wants the person to be asked, whatever was remembered.
    """

    client_id: str
    redirect_uri: str
    state: str | None
    code_challenge: str
    scopes: tuple[str, ...]
    resource: str
    browser: str
    signed_in_before: str
    ask_for_consent: bool = True


@dataclass(frozen=True, slots=True)
class UserSession:
    """A person signed in with this browser. The sealed credential opens for this session alone."""

    session_id: str = field(repr=False)
    subject: str
    username: str
    sealed_credential: str | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One approval by one person, and the tip of its refresh token family."""

    grant_id: str
    client_id: str
    subject: str
    username: str
    scopes: tuple[str, ...]
    resource: str
    vals: tuple[str, ...] = ()
    """Ids of the vals it is limited to; empty: all that the scopes reach."""
    version: int = 0
    """How often the person has taken scopes from it; every access token belongs to one version."""
    approved: tuple[str, ...] = ()
    """The scopes that were approved first, when `scopes` are fewer by now."""
    flow: str = ""
    """The id of the attempt it came from, while that is remembered; for logs and timelines alone."""


@dataclass(frozen=True, slots=True)
class GrantSummary:
    """A grant as its person and the operator see it; all times in seconds since the epoch.

    Attributes:
        used_at: when tokens were last issued from it; None: not yet, its code waits to be redeemed.
        expires_at: when nothing that was issued from it can be used any more, unless it is refreshed before.
        vals: ids of the vals it is limited to; empty: all that the scopes reach.
    """

    grant_id: str
    client_id: str
    subject: str
    username: str
    scopes: tuple[str, ...]
    resource: str
    created_at: int
    used_at: int | None
    expires_at: int
    vals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RememberedConsent:
    """A decision that its person lets count again.

    Attributes:
        request: the hash of the request it answers, with the client as the person saw it.
        grant_id: the grant it made; it counts no longer than that lives.
        kept: the fine scopes that were left ticked.
        vals: ids of the vals it is limited to; empty: all that the scopes reach.
    """

    request: str
    grant_id: str
    kept: tuple[str, ...]
    vals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """The hash of a code and what it is bound to (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""

    code_hash: str
    client_id: str
    redirect_uri: str
    code_challenge: str
