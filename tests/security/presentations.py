"""Every way to present a text as a credential, to either service."""

import base64
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote

import httpx
import joserfc.jwt
from joserfc.jwk import OctKey

from auth_server.domain import generate
from dev.flow import Pkce, claims_of, forms_of
from tests.security.deployment import Deployment
from tests.security.dump import Dump
from tests.security.flows import Story

PREFIXES = (
    generate.AUTHORIZATION_CODE,
    generate.REFRESH_TOKEN,
    generate.CLIENT_SECRET,
    generate.REGISTRATION_TOKEN,
    generate.BROWSER_COOKIE,
    generate.SESSION,
    generate.TRANSACTION,
)

Present = Callable[[str], Awaitable[bool]]
"""Presents a text as a credential of some kind; returns whether it was taken for one."""


def presentations(deployment: Deployment, story: Story, dump: Dump) -> dict[str, Present]:
    """Return every way to present a text, by what it is presented as."""
    return {
        "code": _as_code(story, dump),
        "refresh token": _as_refresh_token(story),
        "client secret": _as_client_secret(deployment, story),
        "access token": _as_access_token(deployment),
        "signature key": _as_signature_key(deployment, story),
        "token to look up": _as_token_to_look_up(deployment, story),
        "registration token": _as_registration_token(deployment, story),
        "session cookie": _as_session(deployment, story),
        "page": _as_page(deployment),
        "pasted api token": _as_pasted_token(deployment, story),
        "api token in the header": _as_header_token(deployment),
    }


def dressed(text: str) -> list[str]:
    """Return a text as it is, and behind every prefix that we give to secrets."""
    return [text, *(prefix + text for prefix in PREFIXES)]


def _as_code(story: Story, dump: Dump) -> Present:
    grant_ids = {text for text in dump.candidates() if len(text) == 22}

    async def present(text: str) -> bool:
        codes = [text, *(f"{generate.AUTHORIZATION_CODE}{gid}.{text}" for gid in sorted(grant_ids))]
        answers = [await story.public.redeem(code, Pkce.new().verifier) for code in codes]
        answers += [await story.public.redeem(codes[-1], text.ljust(43, "A")[:128])]
        return _any_taken(answers)

    return present


def _as_refresh_token(story: Story) -> Present:
    async def present(text: str) -> bool:
        return _any_taken([await story.public.refresh(one) for one in (text, generate.REFRESH_TOKEN + text)])

    return present


def _as_client_secret(deployment: Deployment, story: Story) -> Present:
    form = {"grant_type": "refresh_token", "refresh_token": "vtr_x"}

    async def present(text: str) -> bool:
        taken = []
        for secret in (text, generate.CLIENT_SECRET + text):
            pair = f"{quote(story.confidential.client_id, '')}:{quote(secret, '')}"
            basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
            answers = [
                await story.confidential.post("/oauth/token", {**form, "client_secret": secret}),
                await deployment.visitor().post("/oauth/token", data=form, headers=basic),
            ]
            # With the right secret it is the refresh token that is refused; it is never too many.
            taken += [answer.json()["error"] == "invalid_grant" for answer in answers]
        return any(taken)

    return present


def _as_access_token(deployment: Deployment) -> Present:
    async def present(text: str) -> bool:
        answer = await deployment.mcp(text).modern("tools/list")
        assert answer.status_code in (200, 400, 401), answer.text
        return answer.status_code == 200

    return present


def _as_signature_key(deployment: Deployment, story: Story) -> Present:
    header = {"typ": "at+jwt", "alg": "HS256"}
    claims = claims_of(story.tokens["access_token"])

    async def present(text: str) -> bool:
        token = joserfc.jwt.encode(header, claims, OctKey.import_key(text.ljust(14)), algorithms=["HS256"])
        return (await deployment.mcp(token).modern("tools/list")).status_code == 200

    return present


def _as_token_to_look_up(deployment: Deployment, story: Story) -> Present:
    async def present(text: str) -> bool:
        # Revocation answers 200 to anything (RFC 7009 section 2.2); what it did is seen at the end.
        for token in dressed(text):
            await story.public.revoke(token)
        answer = await story.confidential.introspect(text)
        return answer.status_code == 200 and answer.json()["active"] is not False

    return present


def _as_registration_token(deployment: Deployment, story: Story) -> Present:
    async def present(text: str) -> bool:
        url = f"/oauth/register/{story.confidential.client_id}"
        answers = [
            await deployment.visitor().get(url, headers={"Authorization": f"Bearer {one}"})
            for one in dressed(text)
        ]
        return _any_taken(answers)

    return present


def _as_session(deployment: Deployment, story: Story) -> Present:
    async def present(text: str) -> bool:
        browser = deployment.browser()
        page = await browser.open(story.confidential.authorize_url(Pkce.new()))
        txn = forms_of(page.text)[0].fields["txn"]
        own = browser.http.cookies["__Host-vt_browser"]
        browser.http.cookies.clear()
        taken = []
        for session in (text, generate.SESSION + text):
            cookies = f"__Host-vt_browser={own}; __Host-vt_session={session}"
            answer = await browser.http.get(f"/oauth/consent?txn={txn}", headers={"Cookie": cookies})
            taken.append(answer.status_code == 200)
        return any(taken)

    return present


def _as_page(deployment: Deployment) -> Present:
    async def present(text: str) -> bool:
        visitor = deployment.visitor()
        taken = []
        for handle in (text, generate.TRANSACTION + text):
            cookie = {"Cookie": f"__Host-vt_browser={text}; __Host-vt_session={text}"}
            for page in ("sign-in", "consent"):
                answer = await visitor.get(f"/oauth/{page}?txn={quote(handle, '')}", headers=cookie)
                taken.append(answer.status_code == 200)
        return any(taken)

    return present


def _as_pasted_token(deployment: Deployment, story: Story) -> Present:
    async def present(text: str) -> bool:
        browser = deployment.browser(text)
        page = await browser.open(story.confidential.authorize_url(Pkce.new()))
        return (await browser.sign_in(page)).url.path == "/oauth/consent"

    return present


def _as_header_token(deployment: Deployment) -> Present:
    async def present(text: str) -> bool:
        client = deployment.mcp()
        client.headers["X-Val-Town-Token"] = text
        answer = await client.call("get_me")
        return answer.status_code == 200 and answer.json()["result"].get("isError") is not True

    return present


def _any_taken(answers: Iterable[httpx.Response]) -> bool:
    return any(answer.status_code < 400 for answer in answers)
