"""The Val Town credential of a grant: sealed by auth_server, read by mcp_server, for nobody else."""

import json
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.sealing import Sealer, UnsealError

_PURPOSE = "val-town-credential"


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


def seal_credential(sealer: Sealer, owner: CredentialOwner, token: str | None) -> str:
    """Return a Val Town token sealed for one grant; None: the grant uses the server's own token."""
    content = {"kind": "owner"} if token is None else {"kind": "api_token", "token": token}
    return sealer.seal(json.dumps(content).encode(), purpose=_PURPOSE, owner=_values(owner))


class CredentialStore:
    """Reads grants' credentials."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and the sealer of OAUTH_ENCRYPTION_KEY."""
        self._redis = redis
        self._sealer = sealer

    async def read(self, owner: CredentialOwner) -> str | None:
        """Return the Val Town token of a grant; None when it was made in owner mode and keeps none.

        Raises:
            CredentialGoneError: there is nothing, or it does not open for this owner.
            StoreError: the store did not answer.
        """
        sealed = await self._redis.get(credential_key(owner.grant_id))
        if not isinstance(sealed, str):
            raise CredentialGoneError
        try:
            content = json.loads(self._sealer.unseal(sealed, purpose=_PURPOSE, owner=_values(owner)))
        except UnsealError:
            raise CredentialGoneError from None
        return None if content["kind"] == "owner" else str(content["token"])


def _values(owner: CredentialOwner) -> tuple[str, str, str]:
    return (owner.grant_id, owner.subject, owner.client_id)
