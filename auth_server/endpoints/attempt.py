"""The authorization attempt a request belongs to: its id on pages and log lines, its timeline."""

import re
from typing import Final

from fastapi import Request

from auth_server.domain import generate
from auth_server.endpoints import decisions
from auth_server.services import Services
from shared import logs
from shared.audit import acting
from shared.flows.recorder import BEGUN, SIGNED_IN
from shared.flows.steps import Step, flow_id
from shared.rate_limit import Limit

_HANDLE: Final = re.compile(rf"{generate.TRANSACTION}[A-Za-z0-9_-]{{43}}")
_BEGINS: Final = {Step.AUTHORIZE: BEGUN, Step.SIGNED_IN: SIGNED_IN}


def enter(request: Request, handle: str, **facts: str) -> None:
    """Note to which attempt a request belongs.

    Args:
        request: the request.
        handle: of its pending authorization, as it came; what has not the form of one leads nowhere.
        facts: of every step that is noted while it is answered.
    """
    if _HANDLE.fullmatch(handle):
        request.state.flow = flow_id(handle)
        acting.learn(flow=request.state.flow)
        logs.bind(flow=request.state.flow)
    learn(request, **facts)


def learn(request: Request, **facts: str) -> None:
    """Remember what becomes known about the attempt, for the steps that follow in this request."""
    acting.learn(client_id=facts.get("client_id", ""))
    request.state.flow_facts = {**getattr(request.state, "flow_facts", {}), **facts}


def attempt_of(request: Request) -> str:
    """Return the id of the attempt a request belongs to; empty when there is none."""
    flow: str = getattr(request.state, "flow", "")
    return flow


def note(request: Request, services: Services, step: Step, reason: str = "", **facts: str) -> None:
    """Note a step of the attempt a request belongs to, if any; a decision is told to the audit log too."""
    known: dict[str, str] = {**getattr(request.state, "flow_facts", {}), **facts}
    decisions.step_taken(request, services, step, reason, known)
    begins: Limit | None = _BEGINS.get(step)
    services.flows.note(attempt_of(request), step, reason, begins=begins, **known)


def note_refusal(request: Request, reason: str) -> None:
    """Note that a page says no, at whichever step of the attempt that is."""
    services: Services | None = getattr(request.app.state, "services", None)
    if services is None:
        # OAuth is off: there are no attempts.
        return
    page = request.scope["path"].rpartition("/oauth/")[2]
    if page == "authorize":
        note(request, services, Step.AUTHORIZE, reason, told="person")
    else:
        note(request, services, Step.PAGE_REFUSED, reason, page=page.partition("/")[0])
