"""Are the pages safe from frames, caches, other sites and browsers, and does a refusal reach the app?"""

import httpx

from dev.compliance.registration import NAME
from dev.compliance.report import Report
from dev.compliance.target import STATE, Target, shows_form
from dev.flow import Pkce, callback_of, forms_of

_SCOPES = ("vals:read", "files:read", "user:read")


async def check_pages(target: Target, report: Report) -> None:
    """Check the pages; the target's browser is signed in afterwards."""
    browser = target.browser
    url = target.client.authorize_url(Pkce.new(), state=STATE, scope="read")
    begun = await browser.http.get(url)
    _check_cookies("sign-in", begun, target, report)
    page = await browser.follow(begun)
    report.that(
        "sign-in: it asks for a Val Town API token",
        shows_form(page, "api_token"),
        expected="a form with api_token",
        got=page.text,
    )
    _check_headers("sign-in", page, report)
    await _wrong_sign_ins(target, page, report)
    signed_in = await browser.send(page, api_token=target.api_token)
    report.equal("sign-in: a right token leads on with 303", signed_in.status_code, 303)
    _check_cookies("session", signed_in, target, report)
    consent = await browser.follow(signed_in)
    _check_headers("consent", consent, report)
    _check_consent(target, consent, report)
    await _wrong_decisions(target, consent, report)
    await _deny(target, consent, report)
    await _asked_for_each_client(target, report)


async def _wrong_sign_ins(target: Target, page: httpx.Response, report: Report) -> None:
    wrong = "vtwn_this_is_no_token_of_anybody"
    refused = await target.browser.send(page, api_token=wrong)
    report.that(
        "sign-in: a wrong token is refused on the page",
        refused.status_code in (400, 401, 403) and shows_form(refused, "api_token"),
        expected="400 and the form again",
        got=f"{refused.status_code} {refused.text}",
    )
    report.that(
        "sign-in: what was pasted is not shown again",
        wrong not in refused.text,
        expected="a page without it",
        got=refused.text,
    )
    forged = await target.browser.send(page, api_token=target.api_token, csrf="forged")
    report.equal("sign-in: a form of another site is refused", forged.status_code, 403)


def _check_consent(target: Target, page: httpx.Response, report: Report) -> None:
    report.that(
        "consent: it can be approved and refused",
        {("decision", "approve"), ("decision", "deny")} <= _buttons(page),
        expected="both buttons",
        got=page.text,
    )
    report.that(
        "consent: the app's name is shown, escaped",
        NAME not in page.text and "Compliance &lt;b&gt;check&lt;/b&gt;" in page.text,
        expected="escaped characters",
        got=page.text,
    )
    report.that(
        "consent: it shows where the person is sent",
        "client.example.com" in page.text,
        expected="client.example.com",
        got=page.text,
    )
    offered = [name for form in forms_of(page.text) for name in form.inputs]
    report.has("consent: every scope can be unticked", offered, *[f"scope.{scope}" for scope in _SCOPES])


async def _wrong_decisions(target: Target, page: httpx.Response, report: Report) -> None:
    forged = await target.browser.send(page, decision="approve", csrf="forged")
    report.equal("consent: a form of another site is refused", forged.status_code, 403)
    stranger = await target.new_browser()
    stolen = await stranger.send(page, decision="approve")
    report.that(
        "consent: another browser cannot answer it",
        stolen.status_code in (400, 403) and "location" not in stolen.headers,
        expected="400, no redirect",
        got=_where(stolen),
    )


async def _deny(target: Target, page: httpx.Response, report: Report) -> None:
    answer = await target.browser.send(page, decision="deny")
    # Not 307: a browser would post the form to the app.
    report.one_of("rfc9700 consent: the answer is a 303", answer.status_code, (302, 303))
    callback = callback_of(answer)
    report.equal(
        "rfc6749 consent: a refusal reaches the app", callback.parameters.get("error"), "access_denied"
    )
    report.equal("rfc6749 consent: with its state", callback.parameters.get("state"), STATE)
    report.equal("rfc9207 consent: with iss", callback.parameters.get("iss"), target.issuer)
    again = await target.browser.send(page, decision="approve")
    report.that(
        "consent: an answer is final",
        again.status_code in (400, 403) and "location" not in again.headers,
        expected="400, no redirect",
        got=_where(again),
    )


async def _asked_for_each_client(target: Target, report: Report) -> None:
    page = await target.browser.open(target.other_client.authorize_url(Pkce.new(), scope="read"))
    report.that(
        "consent: another app is not let in silently",
        page.status_code == 200 and ("decision", "approve") in _buttons(page),
        expected="a consent page",
        got=_where(page),
    )


def _buttons(page: httpx.Response) -> set[tuple[str, str]]:
    return {button for form in forms_of(page.text) for button in form.buttons}


def _check_headers(page_name: str, page: httpx.Response, report: Report) -> None:
    policy = page.headers.get("content-security-policy", "no Content-Security-Policy")
    for what, holds, got in (
        ("no site may frame it (CSP)", "frame-ancestors 'none'" in policy, policy),
        (
            "no site may frame it (old browsers)",
            _header(page, "x-frame-options").upper() == "DENY",
            page.headers,
        ),
        ("nobody may keep it", "no-store" in _header(page, "cache-control"), page.headers),
        ("no address leaks to other sites", _header(page, "referrer-policy") == "no-referrer", page.headers),
    ):
        report.that(f"{page_name} page: {what}", holds, expected="the header that says so", got=got)


def _where(response: httpx.Response) -> str:
    # Without the query, which may hold a code.
    location = str(response.headers.get("location", "no redirect"))
    return f"{response.status_code}, {location.partition('?')[0]}"


def _header(page: httpx.Response, name: str) -> str:
    return str(page.headers.get(name, ""))


def _check_cookies(name: str, response: httpx.Response, target: Target, report: Report) -> None:
    cookies = response.headers.get_list("set-cookie")
    wanted = {"httponly", "samesite=lax", "path=/"}
    if target.issuer.startswith("https://"):
        wanted.add("secure")
    flags = [{flag.strip().lower() for flag in cookie.split(";")[1:]} for cookie in cookies]
    holds = bool(flags) and all(
        wanted <= given and not any(flag.startswith("domain") for flag in given) for given in flags
    )
    report.that(
        f"{name} cookie: out of reach of scripts and other sites",
        holds,
        expected=f"{', '.join(sorted(wanted))} and no domain",
        got=[sorted(given) for given in flags],
    )
    if "secure" in wanted:
        report.that(
            f"{name} cookie: bound to this host",
            all(cookie.startswith("__Host-") for cookie in cookies),
            expected="a name with __Host-",
            got=[cookie.partition("=")[0] for cookie in cookies],
        )
