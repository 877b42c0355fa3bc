"""Steps at the authorization server: metadata, keys, endpoints (RFC 8414, RFC 7517, RFC 7591, OAuth 2.1)."""

from collections.abc import Callable, Mapping
from typing import Final

from mcp_server.doctor.probe import ORIGIN, Answer, origin_of, path_of
from mcp_server.doctor.walk import DAY, Seen, Step, Walk, max_age, obstacle, seconds

_LONGEST_KEYS: Final = 60
"""How long the key set may be kept. A new key is published longer than that before it signs."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "registration_endpoint", "jwks_uri")
_STRANGER: Final = "client_of_the_doctor"
_REDIRECT_URI: Final = "https://client.example/callback"
_FORBIDDEN_URI: Final = "javascript:doctor"
_MISSING: Final = (404, 405, 501)


async def _metadata(walk: Walk) -> Seen:
    seen = Seen()
    path = path_of(walk.issuer)
    url = f"{origin_of(walk.issuer)}/.well-known/oauth-authorization-server{path}"
    answer = await walk.probe.get(url)
    if answer.failure in ("no-address", "connection-refused", "no-answer"):
        return seen.add("issuer-unreachable", answer.evidence())
    if cause := obstacle(answer) or ("" if answer.status == 200 else "issuer-metadata-missing"):
        return seen.add(cause, answer.evidence())
    document = answer.document()
    if not answer.is_json or not document:
        return seen.add("not-json", answer.evidence())
    walk.metadata = dict(document)
    issuer = document.get("issuer")
    seen.add_if(issuer != walk.issuer, "issuer-mismatch", f"issuer: {issuer!r}, named: {walk.issuer!r}")
    _judge_members(walk, document, seen)
    origins = answer.headers.get("access-control-allow-origin")
    seen.add_if(origins not in ("*", ORIGIN), "no-cors", answer.evidence("access-control-allow-origin"))
    seen.add_if(max_age(answer) > DAY, "cached-too-long", answer.evidence("cache-control"))
    openid = await walk.probe.get(f"{origin_of(walk.issuer)}/.well-known/openid-configuration{path}")
    known = openid.document().get("issuer") in (issuer, walk.issuer)
    seen.add_if(not known, "openid-form-missing", openid.evidence())
    seen.said = "issuer and endpoints are as the resource says"
    return seen


def _judge_members(walk: Walk, document: Mapping[str, object], seen: Seen) -> None:
    def listed(name: str) -> list[object]:
        value = document.get(name)
        return value if isinstance(value, list) else []

    origin = origin_of(walk.issuer)
    for name in _ENDPOINTS:
        value = document.get(name)
        away = isinstance(value, str) and origin_of(value) != origin
        if away:
            seen.add("endpoint-elsewhere", f"{name}: {value!r}")
            # Nothing to learn there: it need not even be reachable from here.
            walk.metadata = {key: kept for key, kept in walk.metadata.items() if key != name}
    for name, member, cause in (
        ("code_challenge_methods_supported", "S256", "no-s256"),
        ("response_types_supported", "code", "no-code-flow"),
        ("token_endpoint_auth_methods_supported", "none", "no-public-clients"),
    ):
        seen.add_if(member not in listed(name), cause, f"{name}: {document.get(name)!r}")
    described = document.get("client_id_metadata_document_supported") is True
    no_way = not described and not document.get("registration_endpoint")
    seen.add_if(no_way, "no-registration", "neither registration_endpoint nor client_id_metadata_document_…")
    name = "authorization_response_iss_parameter_supported"
    seen.add_if(document.get(name) is not True, "no-iss", f"{name}: {document.get(name)!r}")


async def _keys(walk: Walk) -> Seen:
    seen = Seen()
    found: list[frozenset[str]] = []
    for _ in range(3):
        answer = await walk.probe.get(walk.endpoint("jwks_uri"))
        if cause := obstacle(answer) or ("" if answer.status == 200 else "keys-missing"):
            return seen.add(cause, answer.evidence())
        keys = answer.document().get("keys")
        if not isinstance(keys, list):
            return seen.add("not-json" if not answer.is_json else "keys-missing", answer.evidence())
        entries = [key for key in keys if isinstance(key, dict)]
        if not entries:
            return seen.add("keys-empty", answer.evidence())
        if any(_PRIVATE & key.keys() for key in entries):
            return seen.add("keys-private", answer.asked)
        found.append(frozenset(str(key.get("kid")) for key in entries))
    walk.key_ids = found[-1]
    evidence = f"{answer.asked}: {' | '.join(' '.join(sorted(kids)) for kids in found)}"
    seen.add_if(len(set(found)) > 1, "keys-disagree", evidence)
    seen.add_if(not answer.is_json, "not-json", answer.evidence())
    kept = max(max_age(answer), seconds(answer, "age"))
    seen.add_if(kept > _LONGEST_KEYS, "keys-cached", answer.evidence("cache-control", "age"))
    seen.said = f"{len(walk.key_ids)} keys"
    return seen


async def _registration(walk: Walk) -> Seen:
    # Nothing is registered: no server may take such a redirect URI.
    body = {"redirect_uris": [_FORBIDDEN_URI], "client_name": "doctor"}
    url = walk.endpoint("registration_endpoint")
    answer = await walk.probe.ask("POST", url, headers={"Origin": ORIGIN}, json_body=body)
    if 200 <= answer.status < 300:
        return Seen().add("registration-unchecked", answer.evidence())
    if answer.status == 429 and answer.document().get("error"):
        return Seen("it is busy just now (429)")
    if answer.document().get("error") != "invalid_redirect_uri":
        return Seen().add(obstacle(answer) or "registration-closed", answer.evidence("www-authenticate"))
    return _readable(answer, Seen("it refuses a forbidden redirect URI, and asks for no credential"))


async def _authorize(walk: Walk) -> Seen:
    endpoint = walk.endpoint("authorization_endpoint")
    query = f"response_type=code&client_id={_STRANGER}&redirect_uri={_REDIRECT_URI}"
    answer = await walk.probe.ask("GET", f"{endpoint}?{query}", headers={"Accept": "text/html"})
    location = str(answer.headers.get("location", ""))
    if location.startswith(_REDIRECT_URI):
        return Seen().add("authorize-open-redirect", answer.evidence())
    if answer.failure or answer.is_redirect or answer.status >= 500:
        return Seen().add(obstacle(answer) or "authorize-missing", answer.evidence())
    if answer.status in _MISSING or not answer.is_page:
        return Seen().add("authorize-missing", answer.evidence())
    guarded = "frame-ancestors" in str(answer.headers.get("content-security-policy", ""))
    if answer.status == 400 and not guarded and "x-frame-options" not in answer.headers:
        return Seen().add("headers-stripped", answer.evidence("content-security-policy", "x-frame-options"))
    if answer.status != 400 or not guarded:
        return Seen().add("page-in-the-way", answer.evidence())
    return Seen("an unknown app gets a page, and no redirect")


async def _token(walk: Walk) -> Seen:
    form = {
        "grant_type": "authorization_code",
        "code": "x",
        "client_id": _STRANGER,
        "code_verifier": "x" * 43,
    }
    url = walk.endpoint("token_endpoint")
    answer = await walk.probe.ask("POST", url, headers={"Origin": ORIGIN}, form=form)
    if answer.document().get("error") not in ("invalid_client", "invalid_grant"):
        return Seen().add(obstacle(answer) or "token-endpoint-missing", answer.evidence())
    kept = "no-store" not in str(answer.headers.get("cache-control", "")).lower()
    if kept:
        return Seen().add("token-cached", answer.evidence("cache-control"))
    return _readable(answer, Seen("it refuses an unknown client, and nothing of it is cached"))


def _readable(answer: Answer, seen: Seen) -> Seen:
    origins = answer.headers.get("access-control-allow-origin")
    seen.add_if(origins not in ("*", ORIGIN), "no-cors", answer.evidence("access-control-allow-origin"))
    return seen


def _needs(member: str) -> Callable[[Walk], str]:
    def missing(walk: Walk) -> str:
        return "" if walk.endpoint(member) else f"no {member} to ask"

    return missing


def _issuer(walk: Walk) -> str:
    return "" if walk.issuer else "nobody is named who issues tokens"


METADATA: Final = Step("metadata of the authorization server", _metadata, needs=_issuer)
KEYS: Final = Step("signing keys", _keys, needs=_needs("jwks_uri"))
REGISTRATION: Final = Step("registration (dry run)", _registration, needs=_needs("registration_endpoint"))
AUTHORIZE: Final = Step("authorization endpoint", _authorize, needs=_needs("authorization_endpoint"))
TOKEN: Final = Step("token endpoint", _token, needs=_needs("token_endpoint"))
