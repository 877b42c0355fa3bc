"""Owner mode: VAL_TOWN_API_TOKEN is set, only its account may sign in, and nothing that is pasted is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from auth_server.sign_in.api_token import account_of, posted_token
from auth_server.sign_in.base import Person, SignInRefusedError
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.refusals.pages import NOT_ADMITTED

_log = get_logger("oauth:sign-in")


@dataclass(frozen=True, slots=True)
class OwnerSignIn:
    """The one account whose token the server itself has."""

    http: httpx.AsyncClient
    api_url: str
    server_token: str = field(repr=False)

    async def verify(self, form: Mapping[str, str]) -> Person:
        """Return the owner, when the posted token is of the same account as the server's own.

        Raises:
            SignInRefusedError: it is another account's, or none.
            TemporarilyUnavailable: Val Town did not answer, or refuses the server's own token.
        """
        person = await account_of(self.http, self.api_url, posted_token(form))
        try:
            owner = await account_of(self.http, self.api_url, self.server_token)
        except SignInRefusedError as error:
            _log.error("the server's own token is refused", reason=error.reason)
            raise TemporarilyUnavailable("The server's own Val Town token does not work.") from None
        if person.id != owner.id:
            raise SignInRefusedError(
                "Only the owner of this server may sign in here.",
                Reason.NOT_ADMITTED,
                status=NOT_ADMITTED.status,
            )
        return Person(subject=owner.id, username=owner.username, credential=None)
