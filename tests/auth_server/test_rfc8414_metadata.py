"""Authorization server metadata and the JWK Set (RFC 8414 sections 2 and 3; RFC 7517)."""

from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey

from auth_server.settings import AuthSettings
from shared.policy import ALL_SCOPES
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ISSUER, OTHER_RESOURCE, RESOURCE, AuthServer
from tests.requirements import requirement
from tests.requirements.standards import STANDARDS, Level

pytestmark = pytest.mark.anyio

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"
KEY_OF_A_CLIENT = OKPKey.generate_key("Ed25519").as_dict(private=False)


@pytest.fixture
async def metadata(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await http.get(WELL_KNOWN)
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


@requirement("M2")
async def test_the_metadata_name_what_a_client_needs(metadata: dict[str, Any]) -> None:
    assert metadata["issuer"] == ISSUER
    assert metadata["authorization_endpoint"] == f"{ISSUER}/oauth/authorize"
    assert metadata["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert metadata["registration_endpoint"] == f"{ISSUER}/oauth/register"
    assert metadata["revocation_endpoint"] == f"{ISSUER}/oauth/revoke"
    assert metadata["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["response_modes_supported"] == ["query"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert {"authorization_code", "refresh_token"} <= set(metadata["grant_types_supported"])
    methods = {"client_secret_basic", "client_secret_post", "none"}
    assert methods <= set(metadata["token_endpoint_auth_methods_supported"])
    assert metadata["scopes_supported"] == list(ALL_SCOPES)
    assert metadata["protected_resources"] == [RESOURCE, OTHER_RESOURCE]


async def test_the_metadata_have_no_null(metadata: dict[str, Any]) -> None:
    assert None not in metadata.values()


OFFERED_BY = {
    "RFC 7009": "revocation_endpoint",
    "RFC 7591": "registration_endpoint",
    "RFC 7662": "introspection_endpoint",
    "RFC 8628": "device_authorization_endpoint",
    "RFC 9126": "pushed_authorization_request_endpoint",
    "RFC 9207": "authorization_response_iss_parameter_supported",
    "RFC 9449": "dpop_signing_alg_values_supported",
    "CIMD": "client_id_metadata_document_supported",
}


@requirement("M2")
async def test_the_chart_of_standards_says_what_the_metadata_say(metadata: dict[str, Any]) -> None:
    charted = {one.name for one in STANDARDS if one.level is not Level.NONE}
    assert charted & set(OFFERED_BY) == {name for name, member in OFFERED_BY.items() if metadata.get(member)}


@requirement("M2")
async def test_every_endpoint_of_the_metadata_exists(server: AuthServer, metadata: dict[str, Any]) -> None:
    http = server.visitor()
    for name, url in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(ISSUER)
            assert (await http.get(url)).status_code in (200, 400, 405), name


@requirement("M2")
async def test_every_listed_grant_type_is_known_to_the_token_endpoint(
    server: AuthServer, metadata: dict[str, Any]
) -> None:
    client = await server.registered()
    for grant_type in metadata["grant_types_supported"]:
        answer = await client.post("/oauth/token", {"grant_type": grant_type})
        assert answer.json()["error"] != "unsupported_grant_type"


@requirement("M2")
async def test_every_listed_authentication_method_can_be_registered(
    server: AuthServer, metadata: dict[str, Any]
) -> None:
    for method in metadata["token_endpoint_auth_methods_supported"]:
        keys = {"jwks": {"keys": [KEY_OF_A_CLIENT]}} if method == "private_key_jwt" else {}
        await server.registered(token_endpoint_auth_method=method, **keys)


@requirement("O28")
async def test_the_documents_may_be_cached_and_read_from_any_origin(http: httpx.AsyncClient) -> None:
    for path in (WELL_KNOWN, OPENID, JWKS):
        response = await http.get(path, headers={"Origin": "https://app.example"})
        assert response.headers["content-type"].startswith("application/json")
        assert "max-age" in response.headers["cache-control"]
        assert response.headers["access-control-allow-origin"] == "*"


async def test_the_openid_document_holds_the_same(http: httpx.AsyncClient, metadata: dict[str, Any]) -> None:
    openid = (await http.get(OPENID)).json()
    assert {name: openid[name] for name in metadata} == metadata


@requirement("M1", "O38")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Prefix": "/evil"},
        {"Forwarded": "host=evil.example;proto=http"},
        {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
    ],
)
async def test_headers_change_nothing_in_the_metadata(
    http: httpx.AsyncClient, metadata: dict[str, Any], headers: dict[str, str]
) -> None:
    response = await http.get(WELL_KNOWN, headers=headers)
    assert response.json() == metadata


@requirement("O38")
async def test_a_spoofed_host_changes_nothing_in_redirects(server: AuthServer) -> None:
    client = await server.registered()
    pages = await server.visitor().get(
        client.authorize_url((await server.code(client))[1]), headers={"X-Forwarded-Host": "evil.example"}
    )
    assert pages.headers["location"].startswith("/oauth/")


@requirement("M3")
@pytest.mark.parametrize("path", ["/tenant", "/a/b"])
async def test_an_issuer_with_a_path_is_served_in_every_form(open_server: OpenServer, path: str) -> None:
    issuer = f"https://example.test{path}"
    async with open_server(oauth_issuer_url=issuer) as server:
        http = server.visitor()
        for url in (
            f"{WELL_KNOWN}{path}",
            f"{path}{WELL_KNOWN}",
            f"{OPENID}{path}",
            f"{path}{OPENID}",
            WELL_KNOWN,
        ):
            body = (await http.get(url)).json()
            assert body["issuer"] == issuer
            assert body["token_endpoint"] == f"{issuer}/oauth/token"
        assert (await http.get(body["jwks_uri"])).status_code == 200
        tokens = await (await server.registered()).tokens(server.browser())
        assert tokens["token_type"] == "Bearer"


async def test_the_key_set_holds_public_members_only(http: httpx.AsyncClient) -> None:
    keys = (await http.get(JWKS)).json()["keys"]
    assert len(keys) == 1
    for key in keys:
        assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


@pytest.mark.parametrize("path", [WELL_KNOWN, OPENID, JWKS])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_the_documents_are_read_only(http: httpx.AsyncClient, path: str, method: str) -> None:
    response = await http.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", [WELL_KNOWN, OPENID, JWKS])
async def test_the_documents_answer_head_like_get(http: httpx.AsyncClient, path: str) -> None:
    response = await http.head(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        WELL_KNOWN + "/",
        WELL_KNOWN + "/tenant",
        "/.well-known/",
        "/.well-known/jwks",
        "/oauth",
        "/docs",
        "/openapi.json",
    ],
)
async def test_other_urls_answer_404_as_json(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


@requirement("M1")
@pytest.mark.parametrize(
    "issuer",
    ["https://auth.test/", "https://auth.test?x=1", "https://auth.test#x", "auth.test", "http://auth.test"],
)
def test_an_issuer_that_clients_could_not_compare_stops_the_start(
    settings: AuthSettings, issuer: str
) -> None:
    given = {**settings.model_dump(exclude_none=True), "oauth_issuer_url": issuer}
    with pytest.raises(ValueError, match="oauth_issuer_url"):
        AuthSettings(**given)
