"""Sign in by pasting a Val Town API token: whoever has it is asked for by `GET /v1/me`."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from auth_server.domain.admission import Admission
from auth_server.sign_in.base import Person, SignInRefusedError
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.refusals.pages import NOT_ADMITTED
from shared.valtown.client import ValTownClient
from shared.valtown.errors import Forbidden, Unauthorized, ValTownError
from shared.valtown.models import User

_log = get_logger("oauth:sign-in")
_MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class ApiTokenSignIn:
    """Anybody with a Val Town account who is admitted."""

    http: httpx.AsyncClient
    api_url: str
    admission: Admission

    async def verify(self, form: Mapping[str, str]) -> Person:
        """Return the owner of the posted `api_token`; the token becomes the credential of what they approve.

        Raises:
            SignInRefusedError: no token, one that Val Town refuses, or one of somebody not allowed.
            TemporarilyUnavailable: Val Town did not answer.
        """
        token = posted_token(form)
        user = await account_of(self.http, self.api_url, token)
        if not self.admission.admits(user.username):
            raise SignInRefusedError(
                "This server is not open to your Val Town account.",
                Reason.NOT_ADMITTED,
                status=NOT_ADMITTED.status,
            )
        return Person(subject=user.id, username=user.username, credential=token)


def posted_token(form: Mapping[str, str]) -> str:
    """Return the posted API token.

    Raises:
        SignInRefusedError: there is none, or nothing that could be sent in a header.
    """
    token = form.get("api_token", "").strip()
    if not token:
        raise SignInRefusedError("Paste a Val Town API token to sign in.", Reason.NO_API_TOKEN)
    if len(token) > _MAX_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise SignInRefusedError(
            "This does not look like a Val Town API token. Copy it again, as a whole.",
            Reason.API_TOKEN_REFUSED,
        )
    return token


@dataclass(frozen=True, slots=True)
class Account:
    """A Val Town account with a user name."""

    id: str
    username: str


async def account_of(http: httpx.AsyncClient, api_url: str, token: str) -> Account:
    """Return the account a Val Town API token belongs to.

    Raises:
        SignInRefusedError: Val Town refuses the token, or it may not read the account.
        TemporarilyUnavailable: Val Town did not answer.
    """
    try:
        user: User = await ValTownClient(http, api_url, token).me()
    except Unauthorized:
        raise SignInRefusedError(
            "Val Town did not accept this token. It may be mistyped, expired or deleted.",
            Reason.API_TOKEN_REFUSED,
        ) from None
    except Forbidden:
        raise SignInRefusedError(
            "Val Town accepted this token, but it may not read your profile. Give it user read access.",
            Reason.API_TOKEN_REFUSED,
        ) from None
    except ValTownError as error:
        _log.warning("val town did not answer", status=error.status)
        raise TemporarilyUnavailable("Val Town did not answer.", retry_after=5) from None
    _log.debug("val town answered", account=user.id, username=user.username)
    if not user.id or not user.username:
        raise SignInRefusedError(
            "This token belongs to no person: its account has no user name.", Reason.API_TOKEN_REFUSED
        )
    return Account(user.id, user.username)
