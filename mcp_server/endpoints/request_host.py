"""What one POST gives to the calls in it (`mcp_server.protocol.calls.Host`)."""

import hashlib

from mcp_server.auth.principal import Principal
from mcp_server.endpoints.bearer import Caller
from mcp_server.endpoints.reply import Reply
from mcp_server.services import Services
from shared.valtown.client import ValTownClient
from shared.valtown.limited import LimitedValTownClient


class RequestHost:
    """The caller, Val Town as the caller sees it, and the way back to the client."""

    __slots__ = ("_caller", "_client", "_reply", "_services", "notify")

    def __init__(self, caller: Caller, services: Services, reply: Reply) -> None:
        """Take the caller, what the process shares, and the answer that is being made."""
        self._caller = caller
        self._services = services
        self._reply = reply
        self._client: ValTownClient | None = None
        self.notify = reply.notify

    @property
    def principal(self) -> Principal:
        """The caller."""
        return self._caller.principal

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it; the credential is looked up at the first use.

        From then on the call is cancelled when the client goes away, and what runs at Val Town with it.

        Raises:
            Unauthorized: the grant has no credential any more.
            StoreError: the store did not answer.
        """
        if self._client is None:
            self._reply.watch()
            base_url = self._services.settings.val_town_api_url
            token = await self._token()
            share = self._services.val_town_shares.of(_user_of(self.principal, token))
            vals = self.principal.vals
            official = self._services.settings.val_town_upstream_mcp_url
            http = self._services.http
            self._client = (
                ValTownClient(http, base_url, token, share=share, official_url=official)
                if vals is None
                else LimitedValTownClient(
                    http, base_url, token, vals=vals, share=share, official_url=official
                )
            )
        return self._client

    async def _token(self) -> str:
        if self._caller.val_town_token is not None:
            return self._caller.val_town_token
        tokens = self._services.val_town_tokens
        if tokens is None:
            raise RuntimeError("a grant without OAuth")
        return await tokens.token_of(self._caller.principal)


def _user_of(principal: Principal, token: str) -> str:
    # Callers with the legacy header have no name of their own.
    return hashlib.sha256(token.encode()).hexdigest() if principal.legacy else principal.subject
