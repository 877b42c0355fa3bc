"""Which Val Town token a caller's tools work with, kept in memory for a minute at most."""

from typing import Final

from mcp_server.auth.principal import Principal
from shared.clock import Clock
from shared.credentials import CredentialGoneError, CredentialOwner, CredentialStore
from shared.valtown.errors import Unauthorized

KEPT_SECONDS: Final = 60.0
KEPT_GRANTS: Final = 1024


class ValTownTokens:
    """Looks up the credential of a grant; in owner mode the store gives the server's own."""

    def __init__(self, store: CredentialStore, clock: Clock) -> None:
        """Take the store of sealed credentials and the clock."""
        self._store = store
        self._clock = clock
        self._kept: dict[CredentialOwner, tuple[str, float]] = {}

    async def token_of(self, principal: Principal) -> str:
        """Return the Val Town token of a principal that came with an access token.

        Raises:
            Unauthorized: the grant has no usable credential any more.
            StoreError: the store did not answer.
        """
        owner = CredentialOwner(principal.grant_id or "", principal.subject, principal.client_id or "")
        token, until = self._kept.get(owner, ("", 0.0))
        if 0 < until - self._clock.now() <= KEPT_SECONDS:
            return token
        self._kept.pop(owner, None)
        try:
            token = await self._store.read(owner)
        except CredentialGoneError:
            raise Unauthorized(None, "The link to the Val Town account is gone.") from None
        if len(self._kept) >= KEPT_GRANTS:
            del self._kept[next(iter(self._kept))]
        self._kept[owner] = (token, self._clock.now() + KEPT_SECONDS)
        return token
