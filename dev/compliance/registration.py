"""May apps register by themselves, and only with redirect URIs that are safe (RFC 7591)?"""

from typing import Any

import httpx

from dev.compliance.report import Report
from dev.compliance.target import REDIRECT_URI, Target, has_null, json_of, refusal_of

NAME = "Compliance <b>check</b>"


async def check_registration(target: Target, report: Report) -> None:
    """Check registration; registers the target's clients."""
    await _confidential(target, report)
    await _public(target, report)
    await target.other_client.register(client_name="Compliance check, the other client")
    await _redirect_uris(target, report)
    await _metadata(target, report)


async def _register(target: Target, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await target.http.post(target.endpoint("registration"), json=body, headers=headers)


async def _confidential(target: Target, report: Report) -> None:
    body = {"redirect_uris": [REDIRECT_URI], "client_name": NAME}
    response = await _register(target, body, Origin="https://browser.example")
    registered = json_of(response)
    report.equal("rfc7591 registration: redirect_uris and a name are enough", response.status_code, 201)
    report.has("rfc7591 registration: id and secret come back", registered, "client_id", "client_secret")
    report.equal(
        "rfc7591 registration: the secret's expiry is said", registered.get("client_secret_expires_at"), 0
    )
    report.equal(
        "rfc7591 registration: client_secret_basic is the default",
        registered.get("token_endpoint_auth_method"),
        "client_secret_basic",
    )
    report.equal(
        "rfc7591 registration: what was registered is echoed",
        [registered.get(name) for name in body],
        list(body.values()),
    )
    report.that(
        "rfc7591 registration: no member is null",
        not has_null(registered),
        expected="no null",
        got=registered,
    )
    report.that(
        "rfc7591 registration: the answer may not be stored",
        "no-store" in response.headers.get("cache-control", ""),
        expected="Cache-Control: no-store",
        got=response.headers.get("cache-control"),
    )
    report.equal("cors: web pages may register", response.headers.get("access-control-allow-origin"), "*")
    target.client.client_id = registered["client_id"]
    target.client.client_secret = registered.get("client_secret")


async def _public(target: Target, report: Report) -> None:
    uris = [f"http://{host}:49152/callback" for host in ("127.0.0.1", "[::1]", "localhost")]
    response = await _register(
        target,
        {
            "redirect_uris": uris,
            "client_name": "Compliance check, on this computer",
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "grant_types": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "a_member_nobody_knows": True,
        },
    )
    registered = json_of(response)
    report.equal("rfc8252 registration: http is allowed on this computer", response.status_code, 201)
    report.that(
        "rfc7591 registration: a public client gets no secret",
        "client_secret" not in registered,
        expected="no client_secret",
        got=sorted(registered),
    )
    report.equal(
        "rfc7591 registration: grant types not supported are left out",
        registered.get("grant_types"),
        ["authorization_code", "refresh_token"],
    )
    target.public_client.client_id = registered["client_id"]


async def _redirect_uris(target: Target, report: Report) -> None:
    refused = {
        "http beyond this computer": "http://client.example.com/callback",
        "http at a name that only looks local": "http://localhost.client.example.com/callback",
        "javascript:": "javascript:alert(1)",
        "data:": "data:text/html,hello",
        "a fragment": f"{REDIRECT_URI}#here",
        "a scheme without a dot": "myapp:/callback",
        "a relative one": "/callback",
    }
    for what, uri in refused.items():
        response = await _register(target, {"redirect_uris": [uri]})
        report.equal(
            f"rfc7591 redirect URI: {what} is refused", refusal_of(response), (400, "invalid_redirect_uri")
        )
    response = await _register(target, {"client_name": "none"})
    report.equal(
        "rfc7591 redirect URI: none at all is refused", refusal_of(response), (400, "invalid_redirect_uri")
    )
    private = await _register(target, {"redirect_uris": ["com.example.app:/callback"]})
    report.equal("rfc8252 redirect URI: a scheme with a dot is allowed", private.status_code, 201)


async def _metadata(target: Target, report: Report) -> None:
    refused: dict[str, dict[str, Any]] = {
        "an unknown authentication method": {"token_endpoint_auth_method": "tls_client_auth"},
        "the implicit grant": {"grant_types": ["implicit"]},
        "response type token": {"response_types": ["token"]},
    }
    for what, members in refused.items():
        response = await _register(target, {"redirect_uris": [REDIRECT_URI], **members})
        report.equal(
            f"rfc7591 metadata: {what} is refused", refusal_of(response), (400, "invalid_client_metadata")
        )
    response = await target.http.post(
        target.endpoint("registration"), content=b"no JSON", headers={"Content-Type": "application/json"}
    )
    report.equal(
        "rfc7591 metadata: what is no JSON is refused", refusal_of(response), (400, "invalid_client_metadata")
    )
