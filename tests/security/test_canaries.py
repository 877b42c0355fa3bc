"""A secret is told to whom it belongs and to nobody else: no URL, log line, error text or `repr` has it."""

import io
from collections.abc import Iterable

import httpx
import pytest

from auth_server.domain.token_issuer import RefreshToken, TokenResponse
from auth_server.models import UserSession
from auth_server.sign_in.base import Person
from dev.flow import Pkce
from mcp_server.auth.principal import Principal
from mcp_server.endpoints.bearer import Caller
from tests.auth_server.deployment import ADA, ENCRYPTION_KEY, GRACE, Answer
from tests.requirements import requirement
from tests.security.deployment import Deployment
from tests.security.flows import Story, live_through

pytestmark = pytest.mark.anyio

# Whoever asks gets these, once, in the answer to the request that made them (RFC 6749, RFC 7591).
HANDED_OUT = (
    "access token",
    "refresh token",
    "client_secret",
    "code",
    "handle",
    "form token",
    "__Host-vt_",
    "signature",
)
# These stand in URLs by the protocol: in the redirect to the client, and in addresses of pages.
IN_URLS = ("code", "handle")


async def use_the_tools(deployment: Deployment, story: Story) -> None:
    """Call tools with good credentials, with bad ones, and with a Val Town that sends the token back."""
    client = deployment.mcp(story.tokens["access_token"])
    await client.call("get_me")
    for answer in (echo(500), echo(401), echo(200), unreachable):
        deployment.auth.val_town.fault = answer
        await deployment.mcp(story.public_tokens["access_token"]).call("list_my_vals")
        await client.call("get_me")
        browser = deployment.browser()
        page = await browser.open(story.confidential.authorize_url(Pkce.new()))
        await browser.sign_in(page)
    deployment.auth.val_town.fault = None
    header = deployment.mcp()
    header.headers["X-Val-Town-Token"] = GRACE
    await header.call("get_me")
    await header.call("no_such_tool")
    await deployment.mcp(story.tokens["access_token"] + "x").call("get_me")
    await deployment.mcp(GRACE).call("get_me")
    await client.post(b"{" + story.tokens["refresh_token"].encode())


async def misuse_the_endpoints(deployment: Deployment, story: Story) -> None:
    """Send secrets to where they do not belong: careless programs repeat what they were sent."""
    visitor, tokens = deployment.visitor(), story.tokens
    await story.confidential.post("/oauth/token", {"grant_type": ADA, "client_secret": "x" + ADA})
    await story.confidential.redeem(tokens["refresh_token"], ADA.ljust(43, "A"))
    await story.public.refresh(tokens["refresh_token"])
    await story.confidential.refresh(tokens["access_token"])
    await visitor.post("/oauth/token", json={"refresh_token": tokens["refresh_token"], "resource": [ADA]})
    await visitor.post("/oauth/register", json={"redirect_uris": [f"https://x.test/?token={ADA}#x"]})
    await visitor.get("/oauth/authorize", params={"client_id": story.public.client_id, "redirect_uri": "x"})


def echo(status: int) -> Answer:
    """Return a Val Town that answers with what it was sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"message": request.headers["authorization"]})

    return answer


def unreachable(request: httpx.Request) -> httpx.Response:
    """Fail as a network does, with all of the request in the message."""
    raise httpx.ConnectError(f"cannot reach {request.url} with {request.headers}", request=request)


def found(secrets: dict[str, str | bytes], texts: Iterable[str]) -> list[str]:
    """Return the names of secrets that stand in a text."""
    everything = "\0".join(texts)
    return [name for name, value in secrets.items() if _text(value) in everything]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


@requirement("L236")
async def test_no_secret_is_in_a_log_line_of_either_service(
    logged: io.StringIO, deployment: Deployment
) -> None:
    story = await live_through(deployment)
    await use_the_tools(deployment, story)
    await misuse_the_endpoints(deployment, story)
    lines = logged.getvalue()
    assert found(story.secrets, [lines]) == []
    assert ENCRYPTION_KEY not in lines
    # Both services did log, with every detail.
    for namespace in ("oauth:token", "oauth:sign-in", "oauth:consent", "mcp:caller", "valtown:client"):
        assert f'"namespace": "{namespace}"' in lines


@requirement("L236")
async def test_no_secret_comes_back_in_a_later_answer(deployment: Deployment) -> None:
    story = await live_through(deployment)
    deployment.network.answers.clear()
    await use_the_tools(deployment, story)
    await misuse_the_endpoints(deployment, story)
    answers = [f"{answer.headers} {answer.text}" for answer in deployment.network.answers if _ours(answer)]
    assert len(answers) > 20
    assert found(story.secrets, answers) == []


def _ours(answer: httpx.Response) -> bool:
    return answer.request.url.host in ("auth.test", "mcp.test")


@requirement("L236")
async def test_a_val_town_token_is_in_no_url_and_in_no_answer_of_the_whole_flow(
    deployment: Deployment,
) -> None:
    story = await live_through(deployment)
    await use_the_tools(deployment, story)
    sent = [*deployment.auth.val_town.requests, *(answer.request for answer in deployment.network.answers)]
    secret = {
        name: value for name, value in story.secrets.items() if not any(part in name for part in IN_URLS)
    }
    assert found(secret, [str(request.url) for request in sent]) == []
    val_town = {"ada": ADA, "grace": GRACE}
    answers = [f"{answer.headers} {answer.text}" for answer in deployment.network.answers if _ours(answer)]
    assert found(val_town, answers) == []
    # To Val Town it goes in the one header, and nothing of ours goes there.
    for request in deployment.auth.val_town.requests:
        others = {name: value for name, value in request.headers.items() if name != "authorization"}
        assert found(story.secrets, [str(others), str(request.url), request.content.decode()]) == []
        assert request.headers["authorization"] in {f"Bearer {token}" for token in (ADA, GRACE)}


@requirement("L236")
async def test_no_endpoint_tells_the_environment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAL_TOWN_CANARY", "canary-of-the-environment")
    paths = (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/debug",
        "/env",
        "/.env",
        "/docs",
        "/openapi.json",
        "/server-info",
    )
    visitor = deployment.visitor()
    for origin in ("https://auth.test", "https://mcp.test"):
        for path in paths:
            answer = await visitor.get(origin + path)
            assert "canary-of-the-environment" not in answer.text
            assert ENCRYPTION_KEY not in answer.text
            assert deployment.pem.splitlines()[12] not in answer.text


@requirement("L236")
async def test_no_record_shows_its_secret(deployment: Deployment) -> None:
    records = (
        Person("user", "ada", "vtwn_secret"),
        UserSession("vtss_secret", "user", "ada", "v1.sealed"),
        RefreshToken("vtr_secret", "grant", 1),
        TokenResponse("eyJ_secret", 3600, "read", "vtr_secret"),
        deployment.auth.settings,
        deployment.auth.settings.sealer,
        deployment.auth.app.state.services.keyring.active(),
        Caller(Principal("user", "client", "grant", (), frozenset(), None, None), "vtwn_secret"),
    )
    for record in records:
        shown = f"{record!r} {record}"
        assert "_secret" not in shown, shown
        assert "PRIVATE" not in shown
