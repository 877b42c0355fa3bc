"""Which Val Town token a caller's tools work with, kept in memory for a minute at most."""

from typing import Final

import httpx

from mcp_server.auth.principal import Principal
from mcp_server.auth.token_refresher import TokenRefresher
from shared.clock import Clock
from shared.credentials import CredentialGoneError, CredentialOwner, CredentialStore, OAuthTokens
from shared.valtown.client import ValTownClient
from shared.valtown.errors import Unauthorized

KEPT_SECONDS: Final = 60.0
KEPT_GRANTS: Final = 1024

_GONE: Final = "The link to the Val Town account is gone."


class ServerAccount:
    """Owner mode: the server's own token, and whose it is."""

    def __init__(self, http: httpx.AsyncClient, api_url: str, token: str | None) -> None:
        """Take the HTTP client, Val Town's base URL, and VAL_TOWN_API_TOKEN if there is one."""
        self._http = http
        self._api_url = api_url
        self._token = token
        self._account_id: str | None = None

    async def token_for(self, subject: str) -> str:
        """Return the server's token for a grant of its own account.

        A grant made while another account's token was configured must not get this one's.

        Raises:
            Unauthorized: there is no such token, or it is another account's.
            ValTownError: Val Town did not say whose it is.
        """
        if self._token is None:
            raise Unauthorized(None, _GONE)
        if self._account_id is None:
            self._account_id = (await ValTownClient(self._http, self._api_url, self._token).me()).id
        if self._account_id != subject:
            raise Unauthorized(None, _GONE)
        return self._token


class ValTownTokens:
    """Looks up the credential of a grant."""

    def __init__(
        self, store: CredentialStore, clock: Clock, *, server: ServerAccount, refresher: TokenRefresher
    ) -> None:
        """Take the store of sealed credentials, the clock, the account of owner mode, and who refreshes."""
        self._store = store
        self._refresher = refresher
        self._clock = clock
        self._server = server
        self._kept: dict[CredentialOwner, tuple[str, float]] = {}

    async def token_of(self, principal: Principal) -> str:
        """Return the Val Town token of a principal that came with an access token.

        Raises:
            Unauthorized: the grant has no usable credential any more.
            ValTownError: in owner mode, Val Town did not say whose the server's token is; or the token is
                over and could not be refreshed just now.
            WrongEncryptionKeyError: this process lacks the key that the credential is sealed with.
            StoreError: the store did not answer.
        """
        owner = CredentialOwner(principal.grant_id or "", principal.subject, principal.client_id or "")
        token, until = self._kept.get(owner, ("", 0.0))
        if 0 < until - self._clock.now() <= KEPT_SECONDS:
            return token
        try:
            kept = await self._store.read(owner)
        except CredentialGoneError:
            raise Unauthorized(None, _GONE) from None
        if kept is None:
            return await self._server.token_for(principal.subject)
        if isinstance(kept, OAuthTokens):
            fresh = await self._refresher.fresh(owner, kept)
            self._keep(owner, fresh.access_token, until=fresh.expires_at)
            return fresh.access_token
        self._keep(owner, kept)
        return kept

    def _keep(self, owner: CredentialOwner, token: str, *, until: float = float("inf")) -> None:
        now = self._clock.now()
        for other in [other for other, (_, until) in self._kept.items() if until <= now]:
            del self._kept[other]
        if len(self._kept) >= KEPT_GRANTS:
            del self._kept[next(iter(self._kept))]
        self._kept[owner] = (token, min(now + KEPT_SECONDS, until))
