"""Tells the audit log what an endpoint decided."""

from collections.abc import Mapping
from typing import Final

from fastapi import Request

from auth_server.services import Services
from shared.audit.events import Event, Outcome
from shared.flows.steps import Reason, Step
from shared.oauth.errors import OAuthError, TooManyRequests
from shared.web.request_id import route_of

_EVENTS: Final[Mapping[str, Event]] = {
    "/oauth/register": Event.CLIENT_REGISTERED,
    "/oauth/authorize": Event.AUTHORIZATION_REQUESTED,
    "/oauth/sign-in": Event.SIGNED_IN,
    "/oauth/callback/val-town": Event.SIGNED_IN,
    "/oauth/consent": Event.CONSENT_GIVEN,
    "/oauth/token": Event.TOKEN_ISSUED,
    "/oauth/revoke": Event.TOKEN_REVOKED,
    "/oauth/introspect": Event.TOKEN_INTROSPECTED,
    "/account": Event.ACCOUNT_SHOWN,
    "/account/narrow": Event.GRANT_NARROWED,
    "/account/revoke": Event.GRANT_REVOKED,
    "/account/revoke-all": Event.GRANT_REVOKED,
}
_MANAGED: Final = "/oauth/register/{client_id}"
_MANAGEMENT: Final[Mapping[str, Event]] = {
    "GET": Event.CLIENT_READ,
    "PUT": Event.CLIENT_CHANGED,
    "DELETE": Event.CLIENT_CLOSED,
}
_FAULTS: Final = frozenset({Reason.TEMPORARILY_UNAVAILABLE, Reason.SERVER_ERROR})
_REFUSING: Final = frozenset({Step.SIGN_IN_REFUSED, Step.PAGE_REFUSED})
_GIVEN: Final[Mapping[Step, tuple[Event, Outcome]]] = {
    Step.AUTHORIZE: (Event.AUTHORIZATION_REQUESTED, Outcome.ALLOWED),
    Step.SIGNED_IN: (Event.SIGNED_IN, Outcome.ALLOWED),
    Step.APPROVED: (Event.CONSENT_GIVEN, Outcome.ALLOWED),
    Step.DENIED: (Event.CONSENT_GIVEN, Outcome.DENIED),
}


def step_taken(
    request: Request, services: Services, step: Step, reason: str, facts: Mapping[str, str]
) -> None:
    """Tell of a step of an attempt, if it is a decision."""
    if step in _REFUSING or (step is Step.AUTHORIZE and reason):
        refused(request, services, reason)
    elif step in _GIVEN and facts.get("purpose") != "account":
        event, outcome = _GIVEN[step]
        services.audit.note(
            event,
            outcome,
            reason or facts.get("way", "") or (Reason.BY_PERSON if outcome is Outcome.DENIED else ""),
            client_id=facts.get("client_id", ""),
            grant_id=facts.get("grant_id", ""),
            scopes=facts.get("scope", "").split(),
            vals=int(facts.get("vals") or 0),
        )


def refused(request: Request, services: Services, reason: str) -> None:
    """Tell that a request is refused, or that a fault kept it from being decided."""
    route = route_of(request.scope)
    event = _MANAGEMENT.get(request.method) if route == _MANAGED else _EVENTS.get(route)
    if event is not None:
        services.audit.note(event, Outcome.FAILED if reason in _FAULTS else Outcome.DENIED, reason)


def reason_of(error: OAuthError) -> str:
    """Return the word for a refusal, as timelines have it."""
    return Reason.TOO_MANY_ATTEMPTS if isinstance(error, TooManyRequests) else error.reason
