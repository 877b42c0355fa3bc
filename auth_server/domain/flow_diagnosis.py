"""What is wrong with an authorization attempt: which request was to come next and never did, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from auth_server.domain.flow_refusals import MCP_STATUSES, REFUSALS, Explanation
from shared.flows.steps import Entry, Reason, Step

PROGRAM_SECONDS: Final = 30
"""Within which a program, or a browser that was redirected, takes the next step."""

PERSON_SECONDS: Final = 600
"""Within which a person does; after it the page is over."""


class State(StrEnum):
    """How an attempt stands."""

    WAITING = "waiting"
    """The next request may still come."""
    CONNECTED = "connected"
    SIGNED_IN = "signed_in"
    """It was for the page of connected apps alone."""
    DENIED = "denied"
    REVOKED = "revoked"
    STOPPED = "stopped"
    """The next request never came."""
    REFUSED = "refused"
    """This server said no."""


FAILED: Final = frozenset({State.STOPPED, State.REFUSED})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How an attempt stands.

    Attributes:
        state: in one word.
        summary: in one sentence.
        missing: the request that was to come next, empty when none is.
        causes: why that happens, the likeliest first.
        advice: what to do.
    """

    state: State
    summary: str
    missing: str = ""
    causes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Next:
    """What comes after a step, and what it means when that stays away for so many seconds."""

    request: str
    seconds: int
    done: str
    causes: tuple[str, ...]
    advice: tuple[str, ...]


_RELOAD: Final = "Start once more from the app, in one browser window, and go through without a pause."
_DOCTOR: Final = "Run: python -m mcp_server doctor {resource}"

_NEXT: Final = {
    Step.AUTHORIZE: _Next(
        "GET {issuer}/oauth/sign-in (or /oauth/consent)",
        PROGRAM_SECONDS,
        "the app's request was accepted",
        (
            "no person was there: a link preview, a prefetch or a program without a browser asked",
            "the browser did not follow the redirect: a proxy in front rewrites or drops Location",
            "OAUTH_ISSUER_URL is not the address that people reach this server at",
        ),
        ("Open {issuer}/account in a browser: it takes the same redirect.", _RELOAD),
    ),
    Step.SIGN_IN_PAGE: _Next(
        "POST {issuer}/oauth/sign-in",
        PERSON_SECONDS,
        "the sign-in page was shown",
        (
            "the person closed the page, or had no Val Town API token at hand",
            "the app gave up waiting and closed its window",
        ),
        ("Have a token ready (val.town/settings/api, with user read access). " + _RELOAD,),
    ),
    Step.SENT_TO_VAL_TOWN: _Next(
        "GET {issuer}/oauth/callback/val-town",
        PERSON_SECONDS,
        "the person was sent to Val Town",
        (
            "the person did not finish signing in at Val Town",
            "Val Town does not send people back: it knows another redirect URI of this server",
        ),
        (
            "Sign in with an API token instead: then the fault is on the way to Val Town and back.",
            "If OAUTH_ISSUER_URL was changed: Val Town must be able to send browsers to the new address.",
        ),
    ),
    Step.BACK_FROM_VAL_TOWN: _Next(
        "the answer of Val Town's token endpoint",
        PROGRAM_SECONDS,
        "the person came back from Val Town",
        ("this replica was stopped while it asked Val Town",),
        (_RELOAD,),
    ),
    Step.SIGNED_IN: _Next(
        "GET {issuer}/oauth/consent",
        PROGRAM_SECONDS,
        "the person signed in",
        (
            "the window was closed at that moment",
            "the browser did not follow the redirect: a proxy in front rewrites or drops Location",
        ),
        (_RELOAD,),
    ),
    Step.CONSENT_PAGE: _Next(
        "POST {issuer}/oauth/consent",
        PERSON_SECONDS,
        "the consent page was shown",
        (
            "the person closed the page without a decision",
            "the app gave up waiting and closed its window",
        ),
        (_RELOAD,),
    ),
    Step.APPROVED: _Next(
        "the redirect to the app",
        PROGRAM_SECONDS,
        "the person approved",
        ("this replica was stopped, or lost its store, before it could answer",),
        (_RELOAD,),
    ),
    Step.CODE_SENT: _Next(
        "POST {issuer}/oauth/token",
        PROGRAM_SECONDS,
        "the code was sent by redirect",
        (),
        (
            "From where the app runs: curl -i -X POST {issuer}/oauth/token must answer 415 with JSON.",
            _DOCTOR,
        ),
    ),
    Step.TOKENS_ISSUED: _Next(
        "POST {resource}",
        PROGRAM_SECONDS,
        "tokens were issued",
        (
            "the app does not know where to call: protected resource metadata are at the wrong path, or for "
            "another URL",
            "a proxy, a web application firewall or a bot filter answers before mcp_server does",
            "a browser app is stopped by CORS",
            "mcp_server refuses the token: its OAUTH_ISSUER_URL or MCP_RESOURCE_URL is not auth_server's",
            "the app took the tokens and failed by itself; its own log tells",
        ),
        (_DOCTOR,),
    ),
}
_NEXT_AFTER_REFRESH: Final = _NEXT[Step.TOKENS_ISSUED]

_CODE_LOST: Final = {
    "loopback": (
        "nothing listens at the app's port on the person's computer any more: the app ended or gave up",
        "the browser runs on another computer than the app: a container, WSL, or SSH without a tunnel",
        "the app cannot reach the token endpoint from where it runs",
    ),
    "scheme": (
        "no program on the person's computer has registered the app's scheme, or the browser did not open it",
        "the app cannot reach the token endpoint from where it runs",
    ),
    "web": (
        "the app's window was closed before its callback page was done",
        "the app refused the answer: its state or session was gone, or it expects another issuer",
        "the app's servers cannot reach the token endpoint: DNS, TLS chain, firewall or bot filter",
    ),
}


def diagnose(entries: Sequence[Entry], *, now: float, issuer: str, resource: str) -> Diagnosis:
    """Return how an attempt stands.

    Args:
        entries: its steps in the order of their times, at least one.
        now: seconds since the epoch.
        issuer: OAUTH_ISSUER_URL, for what is to be tried.
        resource: MCP_RESOURCE_URL.
    """
    last = _decisive(entries)
    found = _of_what_ended(entries, last) or _of_what_is_missing(entries, last, now)
    places = {"{issuer}": issuer, "{resource}": resource}

    def filled(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    return Diagnosis(
        found.state,
        filled(found.summary),
        filled(found.missing),
        tuple(map(filled, found.causes)),
        tuple(map(filled, found.advice)),
    )


def _decisive(entries: Sequence[Entry]) -> Entry:
    """Return the step that says how it stands: the last one, but for what came of pressing a button twice."""
    answered = any(entry.step in (Step.CODE_SENT, Step.DENIED) for entry in entries)
    for entry in reversed(entries):
        if not (answered and entry.step is Step.PAGE_REFUSED and entry.reason == Reason.STALE_PAGE):
            return entry
    return entries[-1]


def _of_what_ended(entries: Sequence[Entry], last: Entry) -> Diagnosis | None:
    called = any(entry.step is Step.MCP_CALLED for entry in entries)
    if last.step is Step.MCP_REFUSED:
        status = last.facts.get("status", "")
        told = MCP_STATUSES.get(status, MCP_STATUSES[""])
        summary = f"The app is connected, but a call of it was refused with HTTP {status}."
        return Diagnosis(State.CONNECTED, summary, causes=(told.cause,), advice=(told.advice,))
    if last.step is Step.MCP_CALLED or (called and last.step in (Step.TOKENS_ISSUED, Step.REFRESHED)):
        return Diagnosis(State.CONNECTED, "The app is connected: its first call has arrived.")
    if last.step is Step.DENIED:
        return Diagnosis(State.DENIED, "The person refused, and the app was told so.")
    if last.step is Step.REVOKED:
        who = {Reason.BY_CLIENT: "The app", Reason.BY_PERSON: "The person"}
        by = next((name for reason, name in who.items() if reason == last.reason), "The operator")
        return Diagnosis(State.REVOKED, f"{by} took the access back.")
    if last.step is Step.SIGNED_IN and entries[0].facts.get("purpose") == "account":
        return Diagnosis(State.SIGNED_IN, "The person signed in to see their connected apps.")
    return _of_refusal(last)


def _of_refusal(last: Entry) -> Diagnosis | None:
    if not last.reason or last.step in (Step.APPROVED, Step.REFRESHED):
        return None
    told: Explanation = REFUSALS.get(last.reason, REFUSALS[Reason.OTHER])
    where = {
        Step.AUTHORIZE: "The authorization request was refused",
        Step.SIGN_IN_REFUSED: "The sign-in was refused",
        Step.TOKEN_REFUSED: "The token request was refused",
        Step.REFRESH_REFUSED: "The refresh was refused",
    }.get(last.step, "A page refused to go on")
    return Diagnosis(State.REFUSED, f"{where}: {last.reason}.", causes=(told.cause,), advice=(told.advice,))


def _of_what_is_missing(entries: Sequence[Entry], last: Entry, now: float) -> Diagnosis:
    following = _NEXT.get(last.step, _NEXT_AFTER_REFRESH)
    waited = max(int(now - (last.last or last.at) / 1000), 0)
    if waited < following.seconds:
        summary = f"Nothing is missing yet: {following.done} {waited} s ago."
        return Diagnosis(State.WAITING, summary, following.request)
    causes = following.causes
    if last.step is Step.CODE_SENT:
        causes = _CODE_LOST.get(entries[0].facts.get("redirect_kind", ""), _CODE_LOST["web"])
    summary = (
        f"{following.done[0].upper()}{following.done[1:]}, and the next request never came ({waited} s)."
    )
    return Diagnosis(State.STOPPED, summary, following.request, causes, following.advice)
