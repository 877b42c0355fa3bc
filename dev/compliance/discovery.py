"""Can a client find everything from the one URL it was given (RFC 9728, RFC 8414, RFC 7517)?"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import httpx

from dev.compliance.report import Report
from dev.compliance.target import Target, has_null, json_of, origin_of
from dev.mcp_messages import challenge_of, handshake

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ENDPOINTS: Final = {
    "authorization_endpoint": "/oauth/authorize",
    "token_endpoint": "/oauth/token",
    "registration_endpoint": "/oauth/register",
    "revocation_endpoint": "/oauth/revoke",
    "jwks_uri": "/.well-known/jwks.json",
}
_MIN_RSA_BITS: Final = 2048


async def check_discovery(target: Target, report: Report) -> None:
    """Check discovery; fills in the target's documents."""
    await _challenge(target, report)
    await _resource_metadata(target, report)
    if not target.issuer:
        return
    await _server_metadata(target, report)
    await _other_forms(target, report)
    await _keys(target, report)


async def _challenge(target: Target, report: Report) -> None:
    response = await target.mcp(handshake("tools/list", version=None))
    challenge = challenge_of(response)
    report.equal("rfc9728 challenge: /mcp without a token answers 401", response.status_code, 401)
    report.has("rfc9728 challenge: it names resource_metadata", challenge, "resource_metadata")
    report.has("rfc6750 challenge: it names the scope to ask for", challenge, "scope")
    report.that(
        "rfc6750 challenge: without a token there is no error code",
        "error" not in challenge,
        expected="no error",
        got=challenge,
    )
    target.resource_metadata_url = challenge.get(
        "resource_metadata", f"{target.mcp_origin}/.well-known/oauth-protected-resource"
    )


async def _resource_metadata(target: Target, report: Report) -> None:
    response = await target.http.get(target.resource_metadata_url)
    document = target.resource = json_of(response)
    report.equal("rfc9728 metadata: the URL of the challenge answers 200", response.status_code, 200)
    report.equal("rfc9728 metadata: resource equals the MCP URL", document.get("resource"), target.mcp_url)
    issuers = document.get("authorization_servers") or []
    report.that(
        "rfc9728 metadata: it names an authorization server", bool(issuers), expected="one", got=document
    )
    target.issuer = str(issuers[0]) if issuers else ""
    report.equal(
        "rfc9728 metadata: tokens go in the header alone",
        document.get("bearer_methods_supported"),
        ["header"],
    )
    report.that(
        "mcp metadata: offline_access is not a scope of the resource",
        "offline_access" not in document.get("scopes_supported", []),
        expected="no offline_access",
        got=document.get("scopes_supported"),
    )
    root = await target.http.get(f"{target.mcp_origin}/.well-known/oauth-protected-resource")
    report.equal("rfc9728 metadata: the root form says the same", json_of(root), document)


async def _server_metadata(target: Target, report: Report) -> None:
    url = f"{origin_of(target.issuer)}/.well-known/oauth-authorization-server{_path_of(target.issuer)}"
    response = await target.http.get(url, headers={"Origin": "https://browser.example"})
    document = target.metadata = json_of(response)
    report.equal("rfc8414 metadata: it is there", response.status_code, 200)
    report.equal(
        "rfc8414 metadata: the content type is JSON",
        response.headers.get("content-type", "").partition(";")[0],
        "application/json",
    )
    report.equal(
        "rfc8414 metadata: issuer equals the URL it was fetched from", document.get("issuer"), target.issuer
    )
    for name, path in _ENDPOINTS.items():
        report.equal(f"rfc8414 metadata: {name}", document.get(name), f"{target.issuer}{path}")
    _check_members(document, report)
    report.equal(
        "cors: metadata may be read by web pages", response.headers.get("access-control-allow-origin"), "*"
    )


def _check_members(document: Mapping[str, Any], report: Report) -> None:
    report.equal(
        "rfc7636 metadata: S256 and nothing else", document.get("code_challenge_methods_supported"), ["S256"]
    )
    report.equal("rfc8414 metadata: response type code", document.get("response_types_supported"), ["code"])
    report.has(
        "rfc8414 metadata: grant types",
        document.get("grant_types_supported", []),
        "authorization_code",
        "refresh_token",
    )
    report.has(
        "rfc8414 metadata: client authentication methods",
        document.get("token_endpoint_auth_methods_supported", []),
        "client_secret_basic",
        "client_secret_post",
        "none",
    )
    report.equal(
        "rfc9207 metadata: iss in authorization responses",
        document.get("authorization_response_iss_parameter_supported"),
        True,
    )
    report.has(
        "rfc8414 metadata: the guide's scopes",
        document.get("scopes_supported", []),
        "read",
        "write",
        "vals:read",
        "vals:write",
    )
    report.that(
        "rfc8414 metadata: no member is null", not has_null(document), expected="no null", got=document
    )


async def _other_forms(target: Target, report: Report) -> None:
    openid = await target.http.get(f"{target.issuer}/.well-known/openid-configuration")
    report.equal(
        "openid configuration: the same issuer", json_of(openid).get("issuer"), target.metadata.get("issuer")
    )
    beside = await target.http.get(f"{target.mcp_origin}/.well-known/oauth-authorization-server")
    report.equal(
        "mcp 2025-03-26: the MCP origin has the same metadata", json_of(beside), dict(target.metadata)
    )
    spoofed = await target.http.get(
        f"{target.issuer}/.well-known/openid-configuration",
        headers={
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "gopher",
            "Forwarded": "host=evil.example",
        },
    )
    report.equal(
        "rfc8414 metadata: forwarding headers of a client change nothing",
        json_of(spoofed).get("issuer"),
        target.issuer,
    )


async def _keys(target: Target, report: Report) -> None:
    response = await target.http.get(str(target.metadata.get("jwks_uri", "")))
    keys = json_of(response).get("keys", [])
    target.keys = [key for key in keys if isinstance(key, dict)]
    report.that("rfc7517 jwks: there is a key", bool(target.keys), expected="a key", got=response.text)
    report.that(
        "rfc7517 jwks: no private member is published",
        not any(_PRIVATE_MEMBERS & set(key) for key in target.keys),
        expected=f"none of {' '.join(sorted(_PRIVATE_MEMBERS))}",
        got=[sorted(key) for key in target.keys],
    )
    report.that(
        "rfc7517 jwks: every key says kid, alg, and that it signs",
        all(key.get("kid") and key.get("alg") and key.get("use") == "sig" for key in target.keys),
        expected="kid, alg, use",
        got=[sorted(key) for key in target.keys],
    )
    sizes = [_bits(key) for key in target.keys if key.get("kty") == "RSA"]
    report.that(
        "rfc8725 jwks: RSA keys have 2048 bits or more",
        all(size >= _MIN_RSA_BITS for size in sizes),
        expected="2048 bits",
        got=sizes,
    )
    report.that(
        "rfc7517 jwks: it may be cached",
        "max-age" in response.headers.get("cache-control", ""),
        expected="Cache-Control: max-age",
        got=_cache_control(response),
    )


def _cache_control(response: httpx.Response) -> str:
    return str(response.headers.get("cache-control", "no Cache-Control"))


def _path_of(url: str) -> str:
    return url.removeprefix(origin_of(url))


def _bits(key: Mapping[str, Any]) -> int:
    modulus = str(key.get("n", ""))
    return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
