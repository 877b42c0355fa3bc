"""Does every authorization request end where it should (RFC 6749 section 4.1.2.1, RFC 7636, RFC 9207)?"""

from typing import Final

import httpx

from dev.compliance.report import Report
from dev.compliance.target import STATE, Target
from dev.flow import Callback, FlowError, Pkce, callback_of

_REFUSED: Final[dict[str, tuple[dict[str, str | None], str]]] = {
    "rfc7636 authorize: PKCE is required": (
        {"code_challenge": None, "code_challenge_method": None},
        "invalid_request",
    ),
    "rfc7636 authorize: plain is refused": ({"code_challenge_method": "plain"}, "invalid_request"),
    "rfc7636 authorize: no method means plain, so it is refused": (
        {"code_challenge_method": None},
        "invalid_request",
    ),
    "rfc7636 authorize: a challenge of 42 characters is refused": (
        {"code_challenge": "a" * 42},
        "invalid_request",
    ),
    "rfc7636 authorize: a challenge that is not base64url is refused": (
        {"code_challenge": "a" * 42 + "+"},
        "invalid_request",
    ),
    "rfc6749 authorize: a malformed scope is refused": ({"scope": "read  write"}, "invalid_scope"),
    "rfc8707 authorize: an unknown resource is refused": (
        {"resource": "https://other.example/mcp"},
        "invalid_target",
    ),
    "rfc6749 authorize: response type token is refused": (
        {"response_type": "token"},
        "unsupported_response_type",
    ),
    "rfc6749 authorize: a missing response type is refused": ({"response_type": None}, "invalid_request"),
    "openid authorize: prompt=none without a person is refused": ({"prompt": "none"}, "login_required"),
}


async def check_authorize(target: Target, report: Report) -> None:
    """Check what becomes of wrong requests, and that right ones lead on."""
    await _never_redirected(target, report)
    for name, (parameters, error) in _REFUSED.items():
        callback = _redirected(await target.authorize(target.client, Pkce.new(), **parameters))
        report.equal(name, callback.parameters.get("error"), error)
    await _how_refused(target, report)
    await _accepted(target, report)


async def _never_redirected(target: Target, report: Report) -> None:
    wrong = {
        "rfc6749 authorize: an unknown client": {"client_id": "nobody"},
        "rfc6749 authorize: a redirect URI not registered": {"redirect_uri": "https://evil.example/callback"},
        "rfc9700 authorize: a redirect URI with a slash more": {
            "redirect_uri": f"{target.client.redirect_uri}/"
        },
        "rfc9700 authorize: a redirect URI with a query more": {
            "redirect_uri": f"{target.client.redirect_uri}?x=1"
        },
        "rfc9700 authorize: a redirect URI in other case": {
            "redirect_uri": target.client.redirect_uri.replace("/callback", "/Callback")
        },
    }
    for name, parameters in wrong.items():
        response = await target.authorize(target.client, Pkce.new(), **parameters)
        report.equal(
            f"{name} gets a page, never a redirect",
            (response.status_code, response.headers.get("location")),
            (400, None),
        )
    response = await target.authorize(
        target.public_client, Pkce.new(), redirect_uri="http://127.0.0.1:49153/other"
    )
    report.equal(
        "rfc8252 authorize: on this computer another path gets a page",
        (response.status_code, response.headers.get("location")),
        (400, None),
    )


async def _how_refused(target: Target, report: Report) -> None:
    callback = _redirected(await target.authorize(target.client, Pkce.new(), scope="read  write"))
    report.that(
        "rfc6749 authorize: errors go to the registered redirect URI",
        callback.url.startswith(f"{target.client.redirect_uri}?"),
        expected=target.client.redirect_uri,
        got=callback.url,
    )
    report.equal("rfc6749 authorize: errors carry the state", callback.parameters.get("state"), STATE)
    report.equal("rfc9207 authorize: errors carry iss", callback.parameters.get("iss"), target.issuer)
    callback = _redirected(await target.authorize(target.client, Pkce.new(), scope="read  write", state=None))
    report.that(
        "rfc6749 authorize: no state is made up",
        "state" not in callback.parameters,
        expected="no state",
        got=dict(callback.parameters),
    )
    url = target.client.authorize_url(Pkce.new(), scope="read") + "&scope=write"
    callback = _redirected(await target.http.get(url))
    report.equal(
        "rfc6749 authorize: a repeated parameter is refused",
        callback.parameters.get("error"),
        "invalid_request",
    )


async def _accepted(target: Target, report: Report) -> None:
    accepted: dict[str, dict[str, str | None]] = {
        "rfc6749 authorize: a right request leads to a page of this server": {},
        "rfc6749 authorize: unknown parameters are ignored": {"foo": "bar"},
        "rfc6749 authorize: no state, no scope and no resource are needed": {"state": None},
        "openid authorize: prompt=consent is understood": {"prompt": "consent"},
    }
    for name, parameters in accepted.items():
        _leads_on(report, target, name, await target.authorize(target.client, Pkce.new(), **parameters))
    response = await target.authorize(
        target.public_client, Pkce.new(), redirect_uri="http://127.0.0.1:49153/callback"
    )
    _leads_on(report, target, "rfc8252 authorize: on this computer any port will do", response)
    url = target.client.authorize_url(Pkce.new())
    response = await target.http.get(url, headers={"Origin": "https://browser.example"})
    report.equal("oauth 2.1 authorize: no CORS", response.headers.get("access-control-allow-origin"), None)


def _leads_on(report: Report, target: Target, name: str, response: httpx.Response) -> None:
    location = str(response.headers.get("location", ""))
    leaves = location.startswith("http") and not location.startswith(target.issuer)
    report.that(
        name,
        response.status_code in (302, 303) and bool(location) and not leaves,
        expected="a redirect to its sign-in",
        got=f"{response.status_code} {location}",
    )


def _redirected(response: httpx.Response) -> Callback:
    """Return the redirect to the client; one without parameters when it is none."""
    try:
        return callback_of(response)
    except FlowError:
        return Callback(f"{response.status_code}, no redirect", {})
