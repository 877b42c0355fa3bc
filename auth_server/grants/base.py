"""What a grant type is to the token endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from auth_server.domain.token_issuer import RefreshToken
from auth_server.models import Client, Grant
from shared.flows.steps import Step
from shared.oauth.errors import InvalidRequest

MAX_TRIES: Final = 3
"""How often a token is made anew because its grant was narrowed meanwhile."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a grant type gives for a request.

    Attributes:
        body: the JSON body of the token response (RFC 6749 section 5.1).
        flow: the id of the attempt that the grant came from, while that is remembered.
        step: what it is in the timeline of that attempt.
        reason: a word about it there.
        grant_id: the grant, for the audit log, as all that follows.
        subject: whose it is.
        scopes: of the access token.
        resource: what that is for.
        token_id: its `jti`; empty when the answer is one that was given before.
    """

    body: str = field(repr=False)
    flow: str
    step: Step
    grant_id: str
    subject: str
    scopes: Sequence[str]
    resource: str
    reason: str = ""
    token_id: str = ""

    @classmethod
    def of(
        cls,
        grant: Grant,
        step: Step,
        body: str,
        scopes: Sequence[str],
        *,
        reason: str = "",
        token_id: str = "",
    ) -> Self:
        """Return what is given from a grant."""
        return cls(
            body,
            grant.flow,
            step,
            grant.grant_id,
            grant.subject,
            scopes,
            grant.resource,
            reason,
            token_id,
        )


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request presents, read before anybody is known.

    Attributes:
        grant_id: the grant that it names, there or not; None: it names none.
        refresh_token: the refresh token, when that was made here.
    """

    grant_id: str | None
    refresh_token: RefreshToken | None = None


class TokenGrant(Protocol):
    """A grant type. The token endpoint has authenticated the client and checked that it may use it."""

    @property
    def grant_type(self) -> str:
        """The value of `grant_type` that asks for it."""
        ...

    def presented(self, form: Mapping[str, str]) -> Presented:
        """Return what a request presents."""
        ...

    async def exchange(
        self, form: Mapping[str, str], presented: Presented, client: Client, grant: Grant | None
    ) -> Exchanged:
        """Return the token response.

        Args:
            form: the parameters of the request.
            presented: what they present.
            client: who sent it.
            grant: the one that it names, as it was a moment ago; None: it is not there.

        Raises:
            OAuthError: the request is refused; nothing was issued.
        """
        ...


def required(form: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there.

    Raises:
        InvalidRequest: it is missing or empty.
    """
    value = form.get(name)
    if not value:
        raise InvalidRequest(f"The {name} parameter is missing.")
    return value
