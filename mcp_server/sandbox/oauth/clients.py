"""Apps that registered (RFC 7591): what they said of themselves, and whether it is them that call."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from mcp_server.sandbox.bodies import Body
from mcp_server.sandbox.store import Session

AuthMethod = Literal["client_secret_basic", "client_secret_post", "none"]
AUTH_METHODS: tuple[str, ...] = get_args(AuthMethod)
GrantType = Literal["authorization_code", "refresh_token"]
GRANT_TYPES: tuple[str, ...] = get_args(GrantType)


def _redirect_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if not parts.scheme or "#" in uri or (parts.scheme in {"http", "https"} and not parts.hostname):
        raise ValueError("must be an absolute URI without a fragment")
    return uri


RedirectUri = Annotated[str, Field(max_length=2048), AfterValidator(_redirect_uri)]


class Metadata(Body):
    """The body of a registration; the defaults are those of RFC 7591 section 2."""

    redirect_uris: list[RedirectUri] = Field(min_length=1, max_length=20)
    client_name: str | None = Field(default=None, max_length=200)
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    grant_types: list[GrantType] = Field(default=["authorization_code"], max_length=2)
    response_types: list[Literal["code"]] = Field(default=["code"], max_length=1)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered app; `secret_hash` is empty for a public one."""

    id: str
    metadata: Metadata
    secret_hash: str

    @property
    def name(self) -> str:
        return self.metadata.client_name or self.id

    def may(self, grant_type: GrantType) -> bool:
        return grant_type in self.metadata.grant_types

    def has_secret(self, secret: str | None) -> bool:
        """Say whether `secret` is the client's; a public client has none."""
        if secret is None or not self.secret_hash:
            return secret is None and not self.secret_hash
        return hmac.compare_digest(digest(secret), self.secret_hash)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def register(session: Session, metadata: Metadata) -> tuple[Client, str | None]:
    """Keep a new client; return it and its secret, None for a public one."""
    secret = None if metadata.token_endpoint_auth_method == "none" else secrets.token_urlsafe(32)
    client = Client(secrets.token_urlsafe(16), metadata, digest(secret) if secret else "")
    session.connection.execute(
        "INSERT INTO clients (id, metadata, secret_hash, created_at) VALUES (?, ?, ?, ?)",
        (client.id, metadata.model_dump_json(), client.secret_hash, session.now),
    )
    return client, secret


def find(session: Session, client_id: str | None) -> Client | None:
    """Return the client with this id, if there is one."""
    row = session.connection.execute(
        "SELECT metadata, secret_hash FROM clients WHERE id = ?", (client_id,)
    ).fetchone()
    if client_id is None or row is None:
        return None
    return Client(client_id, Metadata.model_validate(json.loads(row["metadata"])), row["secret_hash"])
