"""The authorization code grant (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from auth_server.domain import generate, pkce
from auth_server.domain.admission import Admission
from auth_server.domain.approval import code_grant_id
from auth_server.domain.limits import WRONG_REDEMPTIONS
from auth_server.domain.resource import Resources
from auth_server.domain.token_issuer import TokenIssuer
from auth_server.grants.base import MAX_TRIES, Exchanged, Presented, required
from auth_server.metrics import CODES, REVOCATIONS
from auth_server.models import Client, Grant
from auth_server.store.base import ClientStore, CodeRedemption, GrantStore, Redemption
from shared.flows.steps import Reason, Step
from shared.logs import bind, get_logger
from shared.oauth.errors import InvalidGrant, TemporarilyUnavailable
from shared.rate_limit import RateLimiter

_log = get_logger("oauth:token")
_WRONG = frozenset(
    {
        Redemption.WRONG_CLIENT,
        Redemption.WRONG_REDIRECT_URI,
        Redemption.WRONG_VERIFIER,
    }
)
"""Tries of somebody who has the code and not the rest; every other refusal is told at once, however often."""

_REFUSED = "The authorization code is not valid: it is unknown, expired, used, or not for this request."


@dataclass(frozen=True, slots=True)
class AuthorizationCodeGrant:
    """Exchanges a code for the first tokens of its grant."""

    grants: GrantStore
    clients: ClientStore
    issuer: TokenIssuer
    resources: Resources
    admission: Admission
    limiter: RateLimiter
    grant_type: str = "authorization_code"

    def presented(self, form: Mapping[str, str]) -> Presented:
        """Return the id that a code carries in front."""
        return Presented(code_grant_id(form.get("code", "")))

    async def exchange(
        self, form: Mapping[str, str], presented: Presented, client: Client, grant: Grant | None
    ) -> Exchanged:
        """Return the token response for a code.

        Verify, prepare, claim, respond: tokens are made before the code is used up, and leave this process
        only after the claim.

        Raises:
            InvalidRequest: a parameter is missing or malformed.
            InvalidTarget: another resource than the approved one is asked for; the code stays good.
            InvalidGrant: everything else. A valid replay has revoked the grant.
            TemporarilyUnavailable: the grant is narrowed over and over.
            TooManyRequests: as InvalidGrant, when too much was wrong with this grant's code already.
        """
        code = required(form, "code")
        challenge = pkce.challenge_of(pkce.check_verifier(form.get("code_verifier")))
        for _ in range(MAX_TRIES):
            if grant is None:
                CODES.inc(Redemption.UNKNOWN)
                raise InvalidGrant(_REFUSED, reason=Reason.UNKNOWN)
            exchanged = await self._exchange(form, client, grant, code, challenge)
            if exchanged is not None:
                return exchanged
            grant = await self.grants.find(grant.grant_id)
        raise TemporarilyUnavailable("The grant is being changed; try again.")

    async def _exchange(
        self, form: Mapping[str, str], client: Client, grant: Grant, code: str, challenge: str
    ) -> Exchanged | None:
        """Return the token response; None when the grant was narrowed meanwhile."""
        grant_id = grant.grant_id
        bind(flow=grant.flow)
        if not self.admission.admits(grant.username):
            CODES.inc(Redemption.UNKNOWN)
            raise InvalidGrant(_REFUSED, reason=Reason.NOT_ADMITTED)
        self.resources.check_same(form.get("resource"), grant.resource)
        refresh = self.issuer.refresh_token(grant_id, 1) if "refresh_token" in client.grant_types else None
        response = self.issuer.respond(grant, grant.scopes, refresh)
        # Before the claim: nothing that can fail may stand between it and the answer.
        if grant.client_id == client.client_id:
            # Not for somebody else's grant: any code could keep any client alive.
            await self.clients.keep_alive(client)
        outcome = await self.grants.redeem(
            CodeRedemption(
                grant_id=grant_id,
                code_hash=generate.digest(code),
                client_id=client.client_id,
                redirect_uri=form.get("redirect_uri"),
                code_challenge=challenge,
                subject=grant.subject,
                version=grant.version,
                refresh_hash=None if refresh is None else refresh.token_hash,
            )
        )
        CODES.inc(outcome)
        if outcome is Redemption.CHANGED:
            return None
        if outcome is not Redemption.OK:
            _log.info("code refused", reason=outcome.value, grant_id=grant_id, client_id=client.client_id)
            if outcome is Redemption.REUSED:
                REVOCATIONS.inc("code_reused")
            if outcome in _WRONG:
                # Not burned: else whoever has the code and nothing more could end its owner's sign-in.
                await self.limiter.take(WRONG_REDEMPTIONS, grant_id)
            raise InvalidGrant(_REFUSED, reason=outcome.value)
        _log.info("tokens issued", grant_id=grant_id, client_id=client.client_id, scope=response.scope)
        return Exchanged.of(
            grant, Step.TOKENS_ISSUED, response.to_json(), grant.scopes, token_id=response.token_id
        )
