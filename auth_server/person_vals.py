"""The vals of a person who decides: listed on the consent page, and looked up by name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from auth_server.domain.approval import open_session_credential
from auth_server.models import UserSession
from shared.credentials import OAuthTokens
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.sealing import Sealer
from shared.valtown.client import ValTownClient
from shared.valtown.errors import NotFound, Unavailable, ValTownError
from shared.valtown.models import Val
from shared.valtown.transport import Bounds

_BOUNDS: Final = Bounds(total_seconds=5.0)
_log = get_logger("oauth:consent")


class UnknownValError(Exception):
    """There is no such val, or the person may not see it."""

    def __init__(self, name: str) -> None:
        """Take the name as the person wrote it."""
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class PersonVals:
    """Asks Val Town with the credential of a session, or in owner mode with the server's own."""

    http: httpx.AsyncClient
    api_url: str
    sealer: Sealer
    server_token: str | None = field(repr=False)

    async def newest(self, session: UserSession) -> Sequence[Val] | None:
        """Return up to 100 of the person's vals, newest first; None when Val Town did not tell.

        The page is shown without them then: who does not want to limit anything needs no list.
        """
        try:
            page = await self._client(session).my_vals()
        except ValTownError as error:
            _log.warning("vals not listed", status=error.status, reason=error.message)
            return None
        return sorted(page.items, key=lambda val: val.created_at, reverse=True)

    async def find(self, session: UserSession, owner: str, name: str) -> Val:
        """Return a val by its owner's handle and its name.

        Raises:
            UnknownValError: there is none that the person may see.
            TemporarilyUnavailable: Val Town did not answer.
        """
        try:
            return await self._client(session).val_by_name(owner, name)
        except NotFound:
            raise UnknownValError(f"{owner}/{name}") from None
        except Unavailable as error:
            _log.warning("val town did not answer", status=error.status)
            raise TemporarilyUnavailable("Val Town did not answer.", retry_after=5) from None
        except ValTownError as error:
            _log.info("val not found", status=error.status, reason=error.message)
            raise UnknownValError(f"{owner}/{name}") from None

    def _client(self, session: UserSession) -> ValTownClient:
        credential = open_session_credential(self.sealer, session)
        token = credential.access_token if isinstance(credential, OAuthTokens) else credential
        token = token or self.server_token or ""
        return ValTownClient(self.http, self.api_url, token, bounds=_BOUNDS)
