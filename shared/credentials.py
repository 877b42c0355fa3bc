"""The Val Town credential of a grant: sealed by auth_server, read by mcp_server, for nobody else."""

import json
from dataclasses import asdict, dataclass, field

from redis.asyncio import Redis

from shared.key_check import KeyCheck, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.redis.scripts import load_script
from shared.resealing import Resealer, SealedValue
from shared.sealing import Sealer, UnknownKeyError, UnsealError

_PURPOSE = "val-town-credential"
_log = get_logger("store:sealing")


class CredentialGoneError(Exception):
    """The grant has no usable Val Town credential any more; the person has to sign in again."""


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """What signing in with Val Town gave (RFC 6749 section 5.1), and all it takes to refresh it.

    Attributes:
        expires_at: of the access token, seconds since the epoch.
        refresh_token: good for one use; empty when there is none.
        client_secret: empty for a public client.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int
    token_endpoint: str
    client_id: str
    client_secret: str = field(repr=False)


Credential = str | OAuthTokens
"""A pasted API token, or the tokens of a connection at Val Town."""


@dataclass(frozen=True, slots=True)
class CredentialOwner:
    """Who a credential belongs to; part of the authenticated data, so it opens for nobody else."""

    grant_id: str
    subject: str
    client_id: str


def credential_key(grant_id: str) -> str:
    """Return the key of a grant's credential, in the grant's hash slot."""
    return f"vt:{{{grant_id}}}:credential"


ALL_CREDENTIAL_KEYS = credential_key("*")
"""The pattern of every grant's credential key."""


def grant_id_of(key: str) -> str:
    """Return the grant id in a credential's key."""
    return key.removeprefix("vt:{").partition("}")[0]


def seal_credential(sealer: Sealer, owner: CredentialOwner, credential: Credential | None) -> str:
    """Return a credential sealed for one grant; None: the grant uses the server's own token."""
    content = b'{"kind": "owner"}' if credential is None else dump_credential(credential)
    return sealer.seal(content, purpose=_PURPOSE, owner=_values(owner))


def dump_credential(credential: Credential) -> bytes:
    """Return a credential as what is sealed."""
    if isinstance(credential, OAuthTokens):
        return json.dumps({"kind": "oauth", **asdict(credential)}).encode()
    return json.dumps({"kind": "api_token", "token": credential}).encode()


def load_credential(content: bytes) -> Credential | None:
    """Return what `dump_credential` was given; None for a grant that uses the server's own token."""
    members = json.loads(content)
    kind = members.pop("kind")
    if kind == "oauth":
        return OAuthTokens(**members)
    return None if kind == "owner" else str(members["token"])


def sealed_credential(owner: CredentialOwner, sealed: str) -> SealedValue:
    """Return a grant's credential as it was read, for sealing it again."""
    return SealedValue(credential_key(owner.grant_id), sealed, _PURPOSE, _values(owner))


class CredentialStore:
    """Reads grants' credentials."""

    def __init__(self, redis: Redis, sealer: Sealer, *, replicas: int = 0) -> None:
        """Take the store's client, the sealer, and for how many replicas a change waits."""
        self._replicas = replicas
        self._redis = redis
        self._sealer = sealer
        self._check = KeyCheck(redis, sealer)
        self._resealer = Resealer(redis, sealer)
        self._replace = load_script(redis, "shared.redis.lua", "replace_sealed")

    async def replace(self, owner: CredentialOwner, old: OAuthTokens, new: OAuthTokens) -> bool:
        """Put refreshed tokens in the place of those they came from. Compare-and-set: False when those are
        not there any more, because somebody else refreshed them or the grant was revoked.

        Raises:
            StoreError: the store did not answer.
        """
        key = credential_key(owner.grant_id)
        sealed = await self._redis.get(key)
        if not isinstance(sealed, str):
            return False
        try:
            opened = self._sealer.unseal(sealed, purpose=_PURPOSE, owner=_values(owner))
        except UnsealError:
            return False
        if load_credential(opened) != old:
            return False
        # Val Town has made the old ones worthless already, so too few confirmations change nothing.
        replaced, _ = await self._replace.settled(
            keys=[key], args=[sealed, seal_credential(self._sealer, owner, new)], replicas=self._replicas
        )
        return bool(replaced)

    async def lock_refresh(self, owner: CredentialOwner, *, milliseconds: int) -> bool:
        """Return whether this process is the one to refresh a grant's tokens now. It only saves work."""
        key = f"vt:{{{owner.grant_id}}}:refreshing"
        return bool(await self._redis.set(key, "1", nx=True, px=milliseconds))

    async def unlock_refresh(self, owner: CredentialOwner) -> None:
        """Let others refresh a grant's tokens."""
        await self._redis.delete(f"vt:{{{owner.grant_id}}}:refreshing")

    async def read(self, owner: CredentialOwner) -> Credential | None:
        """Return the Val Town credential of a grant; None when it was made in owner mode and keeps none.

        One that is sealed with an older encryption key is sealed again on the way.

        Raises:
            CredentialGoneError: there is nothing, or it does not open for this owner.
            WrongEncryptionKeyError: it is sealed with a key in use that this process lacks.
            StoreError: the store did not answer.
        """
        sealed = await self._redis.get(credential_key(owner.grant_id))
        if not isinstance(sealed, str):
            raise CredentialGoneError
        try:
            opened = self._sealer.unseal(sealed, purpose=_PURPOSE, owner=_values(owner))
        except UnsealError as error:
            await self._tell_unopened(owner, error)
            raise CredentialGoneError from None
        await self._resealer.renew(sealed_credential(owner, sealed))
        return load_credential(opened)

    async def _tell_unopened(self, owner: CredentialOwner, error: UnsealError) -> None:
        # A key that some process seals with is missing here: our fault, and it passes. A name that nobody
        # ever sealed with is a damaged ciphertext like any other.
        if isinstance(error, UnknownKeyError) and await self._check.names(error.key_id):
            raise WrongEncryptionKeyError([error.key_id])
        _log.error(
            "credential does not open", grant_id=owner.grant_id, client_id=owner.client_id, reason=str(error)
        )


def _values(owner: CredentialOwner) -> tuple[str, str, str]:
    return (owner.grant_id, owner.subject, owner.client_id)
