"""Sign in with Val Town: this server as a client of Val Town's authorization server (OAuth 2.1 section 4.1).

The person goes there with a `state` that is good once, in this browser and for this request, and comes back
with a code. What it is exchanged for becomes the credential of the one app that is approved next.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx

from auth_server.domain import generate, pkce
from auth_server.domain.admission import Admission
from auth_server.sign_in.api_token import account_of
from auth_server.sign_in.base import Person, SignInRefusedError
from auth_server.store.base import SignInTrip, ValTownSignInStore
from shared.clock import Clock
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.refusals.pages import NOT_ADMITTED
from shared.valtown.oauth import RESOURCE as VAL_TOWN_RESOURCE
from shared.valtown.oauth import (
    SCOPE,
    Endpoints,
    RefusedError,
    RegisteredClient,
    ValTownOAuth,
    ValTownOAuthError,
)

_log = get_logger("oauth:sign-in")
_METADATA_SECONDS: Final = 3600.0
_AWAY: Final = "Val Town did not answer."


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who came back signed in, and the request that they had left for."""

    person: Person
    handle: str


class ValTownSignIn:
    """One authorization server of Val Town, and this server's registration there."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        store: ValTownSignInStore,
        clock: Clock,
        admission: Admission,
        *,
        issuer: str,
        api_url: str,
        redirect_uri: str,
    ) -> None:
        """Take the connection pool, the store, who is admitted, and the addresses, byte for byte."""
        self._http = http
        self._oauth = ValTownOAuth(http)
        self._store = store
        self._clock = clock
        self._admission = admission
        self._issuer = issuer
        self._api_url = api_url
        self._redirect_uri = redirect_uri
        self._endpoints: tuple[Endpoints, float] | None = None

    @property
    def origin(self) -> str:
        """Where the person is sent: the origin of the issuer."""
        parts = urlsplit(self._issuer)
        return f"{parts.scheme}://{parts.netloc}"

    async def leave(self, handle: str, browser: str) -> str:
        """Return the address to send a person to.

        Args:
            handle: of the pending authorization they come back to.
            browser: the hash of their browser's cookie.

        Raises:
            TemporarilyUnavailable: Val Town did not answer.
        """
        endpoints = await self._discovered()
        client = await self._registered(endpoints)
        state, verifier = generate.secret(generate.TRANSACTION), generate.secret("")
        trip = SignInTrip(handle, browser, verifier, client.client_id, client.client_secret)
        await self._store.save_trip(state, trip)
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": SCOPE,
            "resource": VAL_TOWN_RESOURCE,
            "state": state,
            "code_challenge": pkce.challenge_of(verifier),
            "code_challenge_method": pkce.METHOD,
            # Without it `offline_access` does not count (OpenID Connect Core section 11).
            "prompt": "consent",
        }
        return f"{endpoints.authorization}?{urlencode(query)}"

    async def trip_of(self, state: str, browser: str) -> SignInTrip | None:
        """Return where a person comes back from, once, if they left with this browser."""
        trip = await self._store.take_trip(state)
        return trip if trip is not None and trip.browser == browser else None

    def is_from_val_town(self, issuer: str | None) -> bool:
        """Return whether `iss` of an answer is the server that was asked (RFC 9207 section 2.4)."""
        return issuer == self._issuer

    async def arrive(self, trip: SignInTrip, code: str) -> Arrival:
        """Return who came back with a code.

        Raises:
            SignInRefusedError: Val Town does not take the code, or the account is not admitted.
            TemporarilyUnavailable: Val Town did not answer.
        """
        client = RegisteredClient(trip.client_id, trip.client_secret)
        try:
            tokens = await self._oauth.redeem(
                await self._discovered(),
                client,
                code=code,
                verifier=trip.verifier,
                redirect_uri=self._redirect_uri,
                now=int(self._clock.now()),
            )
        except RefusedError as error:
            _log.warning("val town refused a code", error=error.error)
            if error.error == "invalid_client":
                await self._store.forget_client(client.client_id)
            raise SignInRefusedError(
                "Val Town did not accept the sign-in. Try once more.", Reason.VAL_TOWN_SAID_NO
            ) from None
        except ValTownOAuthError as error:
            raise self._away(error) from None
        account = await account_of(self._http, self._api_url, tokens.access_token)
        if not self._admission.admits(account.username):
            raise SignInRefusedError(
                "This server is not open to your Val Town account.",
                Reason.NOT_ADMITTED,
                status=NOT_ADMITTED.status,
            )
        return Arrival(Person(account.id, account.username, tokens), trip.handle)

    async def _discovered(self) -> Endpoints:
        now = self._clock.now()
        if self._endpoints is None or not 0 <= now - self._endpoints[1] < _METADATA_SECONDS:
            try:
                self._endpoints = (await self._oauth.discover(self._issuer), now)
            except ValTownOAuthError as error:
                raise self._away(error) from None
        return self._endpoints[0]

    async def _registered(self, endpoints: Endpoints) -> RegisteredClient:
        known = await self._store.client()
        if known is None:
            try:
                registered = await self._oauth.register(endpoints, self._redirect_uri)
            except ValTownOAuthError as error:
                raise self._away(error) from None
            # Of several replicas that register at once, all use what the first kept.
            known = await self._store.keep_client(registered.client_id, registered.client_secret)
        return RegisteredClient(*known)

    def _away(self, error: ValTownOAuthError) -> TemporarilyUnavailable:
        _log.warning("val town's authorization server is of no use", reason=str(error))
        return TemporarilyUnavailable(_AWAY, retry_after=5)
