"""The Val Town credential of a grant: sealed by auth_server, read by mcp_server, for nobody else."""

import json
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.key_check import KeyCheck, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.resealing import Resealer, SealedValue
from shared.sealing import Sealer, UnknownKeyError, UnsealError

_PURPOSE = "val-town-credential"
_log = get_logger("store:sealing")


class CredentialGoneError(Exception):
    """The grant has no usable Val Town credential any more; the person has to sign in again."""


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


def seal_credential(sealer: Sealer, owner: CredentialOwner, token: str | None) -> str:
    """Return a Val Town token sealed for one grant; None: the grant uses the server's own token."""
    content = {"kind": "owner"} if token is None else {"kind": "api_token", "token": token}
    return sealer.seal(json.dumps(content).encode(), purpose=_PURPOSE, owner=_values(owner))


def sealed_credential(owner: CredentialOwner, sealed: str) -> SealedValue:
    """Return a grant's credential as it was read, for sealing it again."""
    return SealedValue(credential_key(owner.grant_id), sealed, _PURPOSE, _values(owner))


class CredentialStore:
    """Reads grants' credentials."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and the sealer of the encryption keys."""
        self._redis = redis
        self._sealer = sealer
        self._check = KeyCheck(redis, sealer)
        self._resealer = Resealer(redis, sealer)

    async def read(self, owner: CredentialOwner) -> str | None:
        """Return the Val Town token of a grant; None when it was made in owner mode and keeps none.

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
        content = json.loads(opened)
        return None if content["kind"] == "owner" else str(content["token"])

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
