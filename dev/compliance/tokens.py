"""Does the token endpoint give tokens for right codes only, and are they what they should be (RFC 9068)?"""

import base64
import json
from typing import Any, Final

import httpx
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dev.compliance.report import Report
from dev.compliance.target import Target, has_null, json_of, refusal_of
from dev.flow import Pkce, claims_of
from dev.mcp_messages import call

_CLAIMS: Final = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti")


async def check_tokens(target: Target, report: Report) -> None:
    """Check codes, client authentication and access tokens."""
    await _by_form(target, report)
    await _by_json(target, report)
    await _client_authentication(target, report)
    await _wrong_code_requests(target, report)
    await _replay(target, report)
    await _narrowed(target, report)
    await _refusals(target, report)


async def _by_form(target: Target, report: Report) -> None:
    pkce = Pkce.new()
    callback = await target.approve(target.client, pkce, scope="read")
    report.equal("rfc9207 code: iss comes with it", callback.parameters.get("iss"), target.issuer)
    response = await target.client.redeem(callback.parameters.get("code", ""), pkce.verifier)
    report.equal("rfc6749 code: a form redeems it", response.status_code, 200)
    issued = target.keep(target.client, json_of(response))
    report.has("rfc6749 token response: both tokens", issued, "access_token", "refresh_token")
    report.equal("rfc6749 token response: the type", issued.get("token_type"), "Bearer")
    report.that(
        "rfc6749 token response: the seconds it lives",
        isinstance(issued.get("expires_in"), int),
        expected="a number",
        got=issued.get("expires_in"),
    )
    report.equal("rfc6749 token response: the scope", issued.get("scope"), "read")
    report.that(
        "rfc6749 token response: no member is null",
        not has_null(issued),
        expected="no null",
        got=sorted(issued),
    )
    _not_stored("rfc6749 token response", response, report)
    _access_token(target, issued, report)


def _access_token(target: Target, issued: dict[str, Any], report: Report) -> None:
    token = str(issued.get("access_token", ""))
    header = json.loads(_decoded(token.split(".")[0]))
    claims = claims_of(token)
    report.equal("rfc9068 access token: its type", header.get("typ"), "at+jwt")
    report.has(
        "rfc9068 access token: its key is published",
        [key.get("kid") for key in target.keys],
        header.get("kid"),
    )
    report.equal("rfc9068 access token: the published key verifies it", _verified(target, token), True)
    report.has("rfc9068 access token: its claims", claims, *_CLAIMS)
    report.equal("rfc9068 access token: iss", claims.get("iss"), target.issuer)
    report.equal(
        "rfc8707 access token: aud is the approved resource alone", claims.get("aud"), target.mcp_url
    )
    report.equal("rfc9068 access token: client_id", claims.get("client_id"), target.client.client_id)
    report.equal("rfc9068 access token: scope", claims.get("scope"), issued.get("scope"))
    lifetime = claims.get("exp", 0) - claims.get("iat", 0)
    report.equal("rfc9068 access token: it lives as long as was said", lifetime, issued.get("expires_in"))
    report.that(
        "access token: the Val Town token is not in it",
        target.api_token not in json.dumps(claims),
        expected="no credential",
        got=sorted(claims),
    )


async def _by_json(target: Target, report: Report) -> None:
    pkce = Pkce.new()
    body = {
        "grant_type": "authorization_code",
        "client_id": target.client.client_id,
        "client_secret": target.client.client_secret,
        "code": await target.code(target.client, pkce),
        "redirect_uri": target.client.redirect_uri,
        "code_verifier": pkce.verifier,
    }
    twice = json.dumps(body)[:-1] + ', "code": "another"}'
    refused = await target.http.post(
        target.endpoint("token"), content=twice, headers={"Content-Type": "application/json"}
    )
    report.equal("guide: JSON with a member twice is refused", refusal_of(refused), (400, "invalid_request"))
    response = await target.http.post(target.endpoint("token"), json=body)
    report.equal("guide: JSON redeems a code like a form", response.status_code, 200)
    target.keep(target.client, json_of(response))


async def _client_authentication(target: Target, report: Report) -> None:
    client, pkce = target.client, Pkce.new()
    form = {"grant_type": "authorization_code", "code_verifier": pkce.verifier}
    form["code"] = await target.code(client, pkce)
    url, right = target.endpoint("token"), (client.client_id, client.client_secret or "")
    wrong = await target.http.post(url, data=form, auth=(client.client_id, "wrong"))
    report.equal("rfc6749 client: a wrong secret by Basic", refusal_of(wrong), (401, "invalid_client"))
    report.that(
        "rfc6749 client: it is challenged by Basic",
        wrong.headers.get("www-authenticate", "").lower().startswith("basic"),
        expected="WWW-Authenticate: Basic",
        got=wrong.headers.get("www-authenticate"),
    )
    in_body = await target.http.post(
        url, data={**form, "client_id": client.client_id, "client_secret": "wrong"}
    )
    report.equal("rfc6749 client: a wrong secret in the body", refusal_of(in_body), (401, "invalid_client"))
    unknown = await target.http.post(url, data={**form, "client_id": "nobody"})
    report.equal("rfc6749 client: an unknown client", refusal_of(unknown), (401, "invalid_client"))
    missing = await target.http.post(url, data={**form, "client_id": client.client_id})
    report.equal("rfc6749 client: a missing secret", refusal_of(missing), (401, "invalid_client"))
    both = await target.http.post(url, data={**form, "client_secret": right[1]}, auth=right)
    report.equal("rfc6749 client: Basic and body at once", refusal_of(both), (400, "invalid_request"))
    response = await target.http.post(url, data=form, auth=right)
    report.equal("rfc6749 client: the right secret by Basic", response.status_code, 200)
    target.keep(client, json_of(response))
    public = await target.tokens(target.public_client)
    report.has("rfc8252 client: a public client needs none", public, "access_token")


async def _wrong_code_requests(target: Target, report: Report) -> None:
    client, pkce = target.client, Pkce.new()
    code = await target.code(client, pkce)
    other = await target.other_client.redeem(code, pkce.verifier)
    report.equal("rfc6749 code: another client cannot redeem it", refusal_of(other), (400, "invalid_grant"))
    wrong: dict[str, tuple[dict[str, str], str]] = {
        "rfc7636 code: a wrong verifier": ({"code_verifier": Pkce.new().verifier}, "invalid_grant"),
        "rfc7636 code: the challenge as verifier": ({"code_verifier": pkce.challenge}, "invalid_grant"),
        "rfc7636 code: a verifier of 42 characters": ({"code_verifier": "a" * 42}, "invalid_request"),
        "rfc6749 code: another redirect URI": ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
        "rfc8707 code: another resource": ({"resource": "https://other.example/mcp"}, "invalid_target"),
    }
    for name, (fields, error) in wrong.items():
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": pkce.verifier, **fields}
        response = await client.post("/oauth/token", form)
        report.equal(f"{name} is refused", refusal_of(response), (400, error))
    response = await client.redeem(code, pkce.verifier, resource=target.mcp_url)
    report.equal("rfc6749 code: after all of that it is good for its owner", response.status_code, 200)
    target.keep(client, json_of(response))


async def _replay(target: Target, report: Report) -> None:
    pkce = Pkce.new()
    code = await target.code(target.client, pkce)
    issued = json_of(await target.client.redeem(code, pkce.verifier))
    token = str(issued.get("access_token"))
    bad = await target.client.redeem(code, Pkce.new().verifier)
    report.equal("oauth 2.1 code: a replay with a wrong verifier", refusal_of(bad), (400, "invalid_grant"))
    after = await target.mcp(call("whoami"), token)
    report.equal("oauth 2.1 code: such a replay revokes nothing", after.status_code, 200)
    replay = await target.client.redeem(code, pkce.verifier)
    report.equal("rfc6749 code: it works once", refusal_of(replay), (400, "invalid_grant"))
    refused = await target.client.refresh(str(issued.get("refresh_token")))
    report.equal(
        "rfc6749 code: a replay revokes what came of it", refusal_of(refused), (400, "invalid_grant")
    )


async def _narrowed(target: Target, report: Report) -> None:
    pkce = Pkce.new()
    callback = await target.approve(target.client, pkce, scope="vals:read user:read", untick=("user:read",))
    issued = json_of(await target.client.redeem(callback.parameters.get("code", ""), pkce.verifier))
    target.keep(target.client, issued)
    report.that(
        "consent: what was unticked is not granted",
        "user:read" not in str(issued.get("scope", "user:read")).split(),
        expected="vals:read",
        got=issued.get("scope"),
    )


async def _refusals(target: Target, report: Report) -> None:
    url = target.endpoint("token")
    unsupported = await target.client.post("/oauth/token", {"grant_type": "password"})
    report.equal(
        "rfc6749 token endpoint: an unknown grant type",
        refusal_of(unsupported),
        (400, "unsupported_grant_type"),
    )
    _not_stored("rfc6749 refusal", unsupported, report)
    missing = await target.client.post("/oauth/token", {})
    report.equal("rfc6749 token endpoint: no grant type", refusal_of(missing), (400, "invalid_request"))
    form = b"grant_type=refresh_token&grant_type=refresh_token&refresh_token=x&client_id=x"
    repeated = await target.http.post(
        url, content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    report.equal(
        "rfc6749 token endpoint: a repeated parameter", refusal_of(repeated), (400, "invalid_request")
    )
    got = await target.http.get(url)
    report.equal("rfc6749 token endpoint: GET is refused", got.status_code, 405)
    secret = {"client_id": target.client.client_id, "client_secret": target.client.client_secret or ""}
    in_url = await target.http.post(
        f"{url}?{httpx.QueryParams(secret)}", data={"grant_type": "refresh_token"}
    )
    report.one_of("rfc6749 token endpoint: a secret in the URL is refused", in_url.status_code, (400, 401))
    preflight = await target.http.options(
        url, headers={"Origin": "https://browser.example", "Access-Control-Request-Method": "POST"}
    )
    report.equal(
        "cors: web pages may ask for tokens", preflight.headers.get("access-control-allow-origin"), "*"
    )


def _not_stored(name: str, response: httpx.Response, report: Report) -> None:
    report.that(
        f"{name}: nobody may store it",
        "no-store" in response.headers.get("cache-control", ""),
        expected="Cache-Control: no-store",
        got=response.headers.get("cache-control"),
    )


def _verified(target: Target, token: str) -> bool:
    algorithms = sorted({str(key.get("alg")) for key in target.keys})
    try:
        jws.deserialize_compact(
            token, KeySet.import_key_set({"keys": [dict(key) for key in target.keys]}), algorithms=algorithms
        )
    except (JoseError, ValueError):
        return False
    return True


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
