"""The refresh token grant: rotation, grace, reuse detection (RFC 6749 section 6, RFC 9700 section 4.14)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from auth_server.domain.admission import Admission
from auth_server.domain.limits import HEALINGS
from auth_server.domain.resource import Resources
from auth_server.domain.token_issuer import RefreshToken, TokenIssuer
from auth_server.grants.base import MAX_TRIES, Exchanged, Presented, required
from auth_server.metrics import REFRESHES, REVOCATIONS
from auth_server.models import Client, Grant
from auth_server.store.base import ClientStore, GrantStore, RefreshRotation, Rotation
from shared.flows.steps import Reason, Step
from shared.logs import bind, get_logger
from shared.oauth.errors import InvalidGrant, InvalidScope, TemporarilyUnavailable
from shared.oauth.scopes import expand, narrow, parse_scope
from shared.policy import OFFLINE_ACCESS
from shared.rate_limit import RateLimiter
from shared.sealing import Sealer, UnsealError

_log = get_logger("oauth:token")
_REFUSED = "The refresh token is not valid: it is unknown, expired, used, or revoked."
_PURPOSE = "refresh-response"


@dataclass(frozen=True, slots=True)
class RefreshTokenGrant:
    """Exchanges a refresh token for its successor and a new access token."""

    grants: GrantStore
    clients: ClientStore
    issuer: TokenIssuer
    resources: Resources
    admission: Admission
    limiter: RateLimiter
    grant_type: str = "refresh_token"

    def presented(self, form: Mapping[str, str]) -> Presented:
        """Return the refresh token, and the id that it carries, when it was made here."""
        try:
            refresh_token = self.issuer.read_refresh_token(form.get("refresh_token", ""))
        except InvalidGrant:
            return Presented(None)
        return Presented(refresh_token.grant_id, refresh_token)

    async def exchange(
        self, form: Mapping[str, str], presented: Presented, client: Client, grant: Grant | None
    ) -> Exchanged:
        """Return the token response for a refresh token.

        The response is sealed under the presented token before the rotation is recorded, so a client whose
        answer got lost, or whose other process was faster, gets the same answer within the grace window.

        Raises:
            InvalidRequest: a parameter is missing or malformed.
            InvalidScope: more is asked for than was granted; nothing was rotated.
            InvalidTarget: another resource is asked for; nothing was rotated.
            InvalidGrant: everything else. Reuse after the grace window has revoked the grant.
            TemporarilyUnavailable: the grant is narrowed over and over.
            TooManyRequests: the store lost this token's record, and that of too many others.
        """
        token = presented.refresh_token
        if token is None:
            # It is missing, or was not made here: which of them is told now that the client is known.
            token = self.issuer.read_refresh_token(required(form, "refresh_token"))
        for _ in range(MAX_TRIES):
            if grant is None:
                REFRESHES.inc(Rotation.UNKNOWN)
                raise InvalidGrant(_REFUSED, reason=Reason.UNKNOWN)
            exchanged = await self._exchange(form, client, grant, token)
            if exchanged is not None:
                return exchanged
            grant = await self.grants.find(token.grant_id)
        raise TemporarilyUnavailable("The grant is being changed; try again.")

    async def _exchange(
        self, form: Mapping[str, str], client: Client, grant: Grant, presented: RefreshToken
    ) -> Exchanged | None:
        """Return the token response; None when the grant was narrowed meanwhile."""
        bind(flow=grant.flow)
        if grant.client_id != client.client_id:
            REFRESHES.inc(Rotation.WRONG_CLIENT)
            raise InvalidGrant(_REFUSED, reason=Reason.WRONG_CLIENT)
        if not self.admission.admits(grant.username):
            await self.grants.revoke(grant.grant_id, reason="account_not_admitted")
            raise InvalidGrant(_REFUSED, reason=Reason.NOT_ADMITTED)
        self.resources.check_same(form.get("resource"), grant.resource)
        scopes = _requested_scopes(form.get("scope"), grant)
        successor = self.issuer.refresh_token(grant.grant_id, presented.generation + 1)
        response = self.issuer.respond(grant, scopes, successor)
        body = response.to_json()
        # Before the claim: nothing that can fail may stand between it and the answer.
        await self.clients.keep_alive(client)
        outcome, sealed = await self._rotate(
            RefreshRotation(
                grant_id=grant.grant_id,
                client_id=client.client_id,
                generation=presented.generation,
                subject=grant.subject,
                version=grant.version,
                presented_hash=presented.token_hash,
                successor_hash=successor.token_hash,
                sealed_response=_seal(presented, body),
            )
        )
        REFRESHES.inc(outcome)
        if outcome is Rotation.CHANGED:
            return None
        if outcome is Rotation.REPLAYED and sealed is not None:
            _log.info("refresh repeated", grant_id=grant.grant_id, client_id=client.client_id)
            again = _unseal(presented, sealed)
            return Exchanged.of(grant, Step.REFRESHED, again, scopes, reason=Reason.REPEATED)
        if outcome is not Rotation.OK:
            if outcome is Rotation.REUSED:
                REVOCATIONS.inc("refresh_token_reused")
            _log.warning(
                "refresh refused", reason=outcome.value, grant_id=grant.grant_id, client_id=client.client_id
            )
            raise InvalidGrant(_REFUSED, reason=outcome.value)
        _log.info("tokens refreshed", grant_id=grant.grant_id, client_id=client.client_id)
        return Exchanged.of(grant, Step.REFRESHED, body, scopes, token_id=response.token_id)

    async def _rotate(self, rotation: RefreshRotation) -> tuple[Rotation, str | None]:
        outcome, sealed = await self.grants.rotate(rotation)
        if outcome is not Rotation.AHEAD:
            return outcome, sealed
        # Its MAC is right, so it was made here and the store has lost that. After a failover this is no fault
        # of the client, and ending the grant would hit whoever has the newest token.
        epoch = await self.grants.healing_epoch()
        if epoch is None:
            return outcome, sealed
        await self.limiter.take(HEALINGS)
        outcome, sealed = await self.grants.rotate(replace(rotation, epoch=epoch))
        _log.warning(
            "refresh token was ahead of the store",
            outcome=outcome.value,
            grant_id=rotation.grant_id,
            client_id=rotation.client_id,
            generation=rotation.generation,
        )
        return outcome, sealed


def _requested_scopes(scope: str | None, grant: Grant) -> tuple[str, ...]:
    if scope is None:
        return grant.scopes
    requested = parse_scope(scope)
    reach = expand(requested)
    if not reach or reach - expand(grant.approved or grant.scopes):
        raise InvalidScope("The scope is nothing, or more than was granted.")
    if grant.approved:
        # The person took scopes back since, which is no fault of the client: it gets what is left.
        requested = narrow(requested, expand(grant.scopes))
        if not expand(requested):
            raise InvalidScope("Nothing is left of this scope.")
    # offline_access opens no tool, and many clients repeat it on every request.
    return tuple(name for name in requested if name != OFFLINE_ACCESS or name in grant.scopes)


def _seal(presented: RefreshToken, body: str) -> str:
    return _sealer(presented).seal(body.encode(), purpose=_PURPOSE, owner=(presented.grant_id,))


def _unseal(presented: RefreshToken, sealed: str) -> str:
    try:
        return _sealer(presented).unseal(sealed, purpose=_PURPOSE, owner=(presented.grant_id,)).decode()
    except UnsealError as error:
        _log.error("refresh answer does not open", grant_id=presented.grant_id, reason=str(error))
        raise InvalidGrant(_REFUSED) from None


def _sealer(presented: RefreshToken) -> Sealer:
    # Under the presented token itself: what the store holds opens for nobody who has not got it.
    return Sealer(Sealer.key_from(presented.value))
