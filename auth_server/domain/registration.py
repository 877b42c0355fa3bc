"""Client registration: credentials, what identical registrations share, changes (RFC 7591, RFC 7592)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from auth_server.domain import client_metadata, generate
from auth_server.domain.redirect_uri import RedirectPolicy, without_loopback_port
from auth_server.models import Client
from shared.oauth.errors import InvalidClientMetadata

_PUBLIC = "none"
_BYTES_PER_TOKEN = 1024
_CHOSEN_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# RFC 7592 section 2.2: the request must not include these.
_NOT_IN_UPDATE = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


class _Proof(Enum):
    """How a client proves that it is itself."""

    NONE = "none"
    KEY = "key"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class Registered:
    """A new client with the secret that only its owner ever sees; no secret for a public client."""

    client: Client
    secret: str | None = field(repr=False)

    def shared_with(self, first: Client) -> "Registered":
        """Return this registration as one of the client that an identical one made before.

        It keeps its own spelling of the metadata, such as the ports of loopback URIs.
        """
        issued_at = first.metadata["client_id_issued_at"]
        metadata = {**self.client.metadata, "client_id_issued_at": issued_at}
        return Registered(replace(self.client, client_id=first.client_id, metadata=metadata), None)

    def response(self) -> dict[str, object]:
        """Return the members of the registration response (RFC 7591 section 3.2.1); none is null."""
        body: dict[str, object] = {"client_id": self.client.client_id, **self.client.metadata}
        if self.secret is not None:
            body |= {"client_secret": self.secret, "client_secret_expires_at": 0}
        return body


def register(
    metadata: Mapping[str, object], *, policy: RedirectPolicy, grant_types: tuple[str, ...], now: float
) -> Registered:
    """Return a client made from the metadata of a registration request.

    Args:
        metadata: the request's members.
        policy: which redirect URIs are allowed.
        grant_types: what the token endpoint supports.
        now: seconds since the epoch.

    Raises:
        InvalidRedirectUri: `redirect_uris` is missing or holds what no client may have.
        InvalidClientMetadata: any other member is malformed or not supported.
    """
    accepted = client_metadata.check(metadata, policy=policy, grant_types=grant_types)
    client = _client(accepted, now)
    match _proof(accepted):
        case _Proof.NONE:
            return Registered(replace(client, fingerprint=fingerprint(accepted)), None)
        case _Proof.KEY:
            return Registered(client, None)
        case _Proof.SECRET:
            # Never shared: its secret is what tells two registrations apart.
            secret = generate.secret(generate.CLIENT_SECRET)
            return Registered(replace(client, secret_hash=generate.digest(secret)), secret)


def pre_register(
    name: str,
    redirect_uris: Sequence[str],
    *,
    public: bool,
    policy: RedirectPolicy,
    client_id: str,
    now: float,
) -> Registered:
    """Return a client that the operator registers by hand, under the rules that hold for everybody.

    Args:
        name: what people see.
        redirect_uris: at least one.
        public: whether it gets no secret.
        policy: which redirect URIs are allowed.
        client_id: chosen by the operator; empty: one is made.
        now: seconds since the epoch.

    Raises:
        InvalidRedirectUri: as at registration.
        InvalidClientMetadata: as at registration; or the id could be taken for another's.
    """
    metadata: dict[str, object] = {"client_name": name, "redirect_uris": list(redirect_uris)}
    if public:
        metadata["token_endpoint_auth_method"] = _PUBLIC
    made = register(metadata, policy=policy, grant_types=client_metadata.DEFAULT_GRANT_TYPES, now=now)
    if client_id:
        _check_chosen_id(client_id)
    client = replace(
        made.client, client_id=client_id or made.client.client_id, fingerprint="", by_operator=True
    )
    return Registered(client, made.secret)


def update(
    client: Client,
    metadata: Mapping[str, object],
    *,
    policy: RedirectPolicy,
    grant_types: tuple[str, ...],
) -> Client:
    """Return a client with other metadata in the place of its own (RFC 7592 section 2.2).

    Credentials stay: the secret cannot be chosen, and a client that has one does not change to having none.

    Raises:
        InvalidRedirectUri: as at registration.
        InvalidClientMetadata: as at registration; or `client_id` is not the client's, or a credential is set.
    """
    if metadata.get("client_id") != client.client_id:
        raise InvalidClientMetadata("The client_id member must be the client's own.")
    if sent := [name for name in _NOT_IN_UPDATE if name in metadata]:
        raise InvalidClientMetadata(f"These members cannot be set: {' '.join(sent)}")
    _check_secret(client, metadata.get("client_secret"))
    method = {"token_endpoint_auth_method": client.metadata["token_endpoint_auth_method"]}
    accepted = client_metadata.check(
        {**method, **client_metadata.stated(metadata)}, policy=policy, grant_types=grant_types
    )
    if _proof(accepted) is not _proof(client.metadata):
        raise InvalidClientMetadata("A client cannot change between a secret, a key, and neither.")
    changed = _client(accepted, 0)
    issued_at = client.metadata["client_id_issued_at"]
    return replace(
        client,
        redirect_uris=changed.redirect_uris,
        grant_types=changed.grant_types,
        metadata={**accepted, "client_id_issued_at": issued_at},
        fingerprint="",
    )


def fingerprint(accepted: Mapping[str, object]) -> str:
    """Return a hash that registrations have in common when they differ in nothing that matters.

    The order of lists does not matter, nor the port of a loopback URI: it is not compared either when the
    code goes there (RFC 8252 section 7.3), and a client on a person's own computer has another every time.
    """
    uris = {without_loopback_port(str(uri)) for uri in _list(accepted["redirect_uris"])}
    scopes = sorted(str(accepted.get("scope", "")).split())
    canonical = {**accepted, "redirect_uris": sorted(uris), "scope": scopes}
    return generate.digest(json.dumps(canonical, sort_keys=True))


def cost(client: Client) -> int:
    """Return how many tokens of the registration limit a client takes: one for each KiB that is kept."""
    return 1 + len(json.dumps(dict(client.metadata))) // _BYTES_PER_TOKEN


def _proof(metadata: Mapping[str, object]) -> _Proof:
    match metadata["token_endpoint_auth_method"]:
        case "none":
            return _Proof.NONE
        case client_metadata.PRIVATE_KEY_JWT:
            return _Proof.KEY
        case _:
            return _Proof.SECRET


def _check_chosen_id(client_id: str) -> None:
    # RFC 9700 section 4.15: never what could be a person's id, which is a UUID at Val Town. Nor what was made
    # here: there may be a registration access token for it.
    if not _CHOSEN_ID.fullmatch(client_id) or _UUID.fullmatch(client_id):
        raise InvalidClientMetadata("A client id has up to 100 of A-Z a-z 0-9 - . _ and is no UUID.")
    if client_id.startswith(generate.CLIENT_ID):
        raise InvalidClientMetadata(f"A client id that starts with {generate.CLIENT_ID} cannot be chosen.")


def _check_secret(client: Client, sent: object) -> None:
    if sent is None:
        return
    same = isinstance(sent, str) and client.secret_hash == generate.digest(sent)
    if not same:
        raise InvalidClientMetadata("The client_secret cannot be set.")


def _client(accepted: Mapping[str, object], now: float) -> Client:
    return Client(
        client_id=generate.client_id(),
        secret_hash=None,
        redirect_uris=tuple(str(uri) for uri in _list(accepted["redirect_uris"])),
        grant_types=tuple(str(name) for name in _list(accepted["grant_types"])),
        metadata={"client_id_issued_at": int(now), **accepted},
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
