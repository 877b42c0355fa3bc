"""GET /oauth/callback/val-town: the person comes back from Val Town (OAuth 2.1 section 4.1.2, RFC 9207)."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth_server.domain import generate
from auth_server.endpoints import attempt, browser
from auth_server.endpoints.pages import PageProblemError
from auth_server.endpoints.parameters import parse
from auth_server.endpoints.sign_in import begin_session, go_on
from auth_server.services import ServicesDep
from auth_server.sign_in.base import SignInRefusedError
from auth_server.store.base import SignInTrip
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.refusals.pages import SIGN_IN_REFUSED
from shared.refusals.transport import NOT_FOUND

router = APIRouter()
_log = get_logger("oauth:sign-in")
_LONGEST = 4096


@router.get("/oauth/callback/val-town")
async def callback(request: Request, services: ServicesDep) -> Response:
    """Take the answer of Val Town's authorization server; on success the next page is consent."""
    if services.val_town_sign_in is None:
        raise PageProblemError(
            "There is nothing here",
            "Signing in with Val Town is not set up.",
            status=NOT_FOUND.status,
            reason=Reason.OTHER,
        )
    parameters = parse(request.scope["query_string"])
    values = parameters.values
    state = values.get("state", "")
    if parameters.repeated or not state or len(request.scope["query_string"]) > _LONGEST:
        raise browser.stale_page()
    cookie = generate.digest(browser.browser_cookie(request, services) or "")
    trip = await services.val_town_sign_in.trip_of(state, cookie)
    if trip is None:
        raise browser.stale_page()
    attempt.enter(request, trip.handle)
    pending = await browser.pending_of(request, services, trip.handle)
    if not services.val_town_sign_in.is_from_val_town(values.get("iss")):
        _log.warning("answer of another issuer", iss=values.get("iss", "")[:200])
        raise _not_signed_in(
            trip, "The answer did not come from Val Town, so it was not used.", Reason.WRONG_ISSUER
        )
    if "error" in values or "code" not in values:
        _log.info("val town answered with an error", error=values.get("error", "")[:64])
        raise _not_signed_in(
            trip, "Val Town did not sign you in, or you chose not to.", Reason.VAL_TOWN_SAID_NO
        )
    attempt.note(request, services, Step.BACK_FROM_VAL_TOWN)
    try:
        arrival = await services.val_town_sign_in.arrive(trip, values["code"])
    except SignInRefusedError as error:
        raise _not_signed_in(trip, error.reason, error.code, status=error.status) from None
    session_id = await begin_session(request, services, arrival.person)
    _log.info("signed in with val town", subject=arrival.person.subject, client_id=pending.client_id)
    attempt.note(request, services, Step.SIGNED_IN, client_id=pending.client_id, way="val_town")
    return go_on(request, services, arrival.handle, pending, session_id)


def _not_signed_in(
    trip: SignInTrip, sentence: str, code: Reason, *, status: int = SIGN_IN_REFUSED.status
) -> PageProblemError:
    return PageProblemError(
        "You are not signed in", sentence, status=status, reason=code, sign_in=trip.handle
    )
