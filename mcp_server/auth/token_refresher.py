"""Refreshes the tokens of grants whose person signed in with Val Town (OAuth 2.1 section 4.3).

A refresh token is good for one use, and using it twice ends the connection at Val Town. So one replica
refreshes at a time (a lock in the store that only saves work), and what it got takes the old one's place by
compare-and-set. A replica that dies between the two loses the connection: the person signs in again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shared.clock import Clock
from shared.credentials import CredentialGoneError, CredentialOwner, CredentialStore, OAuthTokens
from shared.logs import get_logger
from shared.valtown.errors import Unauthorized, Unavailable
from shared.valtown.oauth import RefusedError, ValTownOAuth, ValTownOAuthError

EARLY_SECONDS: Final = 120
"""How long before its end an access token is replaced."""

LOCK_MILLISECONDS: Final = 15_000
_LOOKS: Final = 50
_PAUSE_SECONDS: Final = 0.2
_KEPT_REFUSALS: Final = 1024

_WITHDRAWN: Final = "Val Town has ended the link to the account; the person has to sign in again."
_log = get_logger("valtown:oauth")


class TokenRefresher:
    """Makes sure that the tokens of a grant can be used now."""

    def __init__(
        self,
        store: CredentialStore,
        oauth: ValTownOAuth,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the store of credentials, the way to Val Town, the clock, and how to wait."""
        self._store = store
        self._oauth = oauth
        self._clock = clock
        self._sleep = sleep
        self._refused: dict[CredentialOwner, OAuthTokens] = {}

    async def fresh(self, owner: CredentialOwner, tokens: OAuthTokens) -> OAuthTokens:
        """Return tokens that are good for a while: these, or their successors.

        Raises:
            Unauthorized: Val Town has taken the connection back.
            Unavailable: it did not answer, or another replica is still waiting for it.
            StoreError: the store did not answer.
        """
        if tokens.expires_at - self._clock.now() > EARLY_SECONDS:
            return tokens
        if not tokens.refresh_token or self._refused.get(owner) == tokens:
            return self._still_good(tokens, Unauthorized(None, _WITHDRAWN))
        if await self._store.lock_refresh(owner, milliseconds=LOCK_MILLISECONDS):
            try:
                return await self._refresh(owner, await self._current(owner, tokens))
            finally:
                await self._store.unlock_refresh(owner)
        return await self._await_another(owner, tokens)

    async def _refresh(self, owner: CredentialOwner, tokens: OAuthTokens) -> OAuthTokens:
        if tokens.expires_at - self._clock.now() > EARLY_SECONDS:
            # Somebody was faster than our reading.
            return tokens
        try:
            successor = await self._oauth.refresh(tokens, now=int(self._clock.now()))
        except RefusedError as error:
            current = await self._current(owner, tokens)
            if current != tokens:
                return current
            _log.warning("val town ended a connection", grant_id=owner.grant_id, error=error.error)
            self._remember_refusal(owner, tokens)
            return self._still_good(tokens, Unauthorized(None, _WITHDRAWN))
        except ValTownOAuthError as error:
            _log.warning("tokens not refreshed", grant_id=owner.grant_id, reason=str(error))
            return self._still_good(tokens, Unavailable(None, "Val Town did not renew the link just now."))
        if not await self._store.replace(owner, tokens, successor):
            # Refreshed by somebody else nevertheless, or revoked: what is there counts.
            return await self._current(owner, tokens)
        _log.info("tokens refreshed", grant_id=owner.grant_id)
        return successor

    async def _await_another(self, owner: CredentialOwner, tokens: OAuthTokens) -> OAuthTokens:
        if tokens.expires_at > self._clock.now():
            return tokens
        for _ in range(_LOOKS):
            await self._sleep(_PAUSE_SECONDS)
            current = await self._current(owner, tokens)
            if current != tokens:
                return current
        raise Unavailable(None, "Val Town did not renew the link just now.")

    async def _current(self, owner: CredentialOwner, tokens: OAuthTokens) -> OAuthTokens:
        try:
            current = await self._store.read(owner)
        except CredentialGoneError:
            raise Unauthorized(None, _WITHDRAWN) from None
        return current if isinstance(current, OAuthTokens) else tokens

    def _still_good(self, tokens: OAuthTokens, otherwise: Exception) -> OAuthTokens:
        if tokens.expires_at > self._clock.now():
            return tokens
        raise otherwise

    def _remember_refusal(self, owner: CredentialOwner, tokens: OAuthTokens) -> None:
        # Val Town is not asked again for what it refused for good.
        if len(self._refused) >= _KEPT_REFUSALS:
            del self._refused[next(iter(self._refused))]
        self._refused[owner] = tokens
