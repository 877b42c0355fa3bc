"""`python -m auth_server flows`: what happened to an attempt, which request never came, and what to do."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from auth_server.domain.flow_diagnosis import PERSON_SECONDS, PROGRAM_SECONDS, State
from dev.flow import OAuthClient, Pkce
from shared.flows.steps import Step
from tests.auth_server.answers import refused
from tests.auth_server.deployment import ISSUER, RESOURCE, AuthServer
from tests.auth_server.timelines import attempts, id_behind, id_on, timeline
from tests.support.operator import Operator

pytestmark = pytest.mark.anyio

SIGN_IN = (Step.AUTHORIZE, Step.SIGN_IN_PAGE)
CONSENT = (*SIGN_IN, Step.SIGNED_IN, Step.CONSENT_PAGE)
CODE = (*CONSENT, Step.APPROVED, Step.CODE_SENT)


@pytest.fixture
def flows(server: AuthServer, redis_url: str, tmp_path: Path) -> Operator:
    """Return the way to run the commands."""
    return Operator("flows", redis_url, tmp_path, {"MCP_RESOURCE_URL": RESOURCE})


async def left_before_the_first_page(server: AuthServer, client: OAuthClient) -> str:
    await server.visitor().get(client.authorize_url(Pkce.new()))
    (flow,) = await attempts(server.redis, 1)
    await timeline(server.redis, flow, Step.AUTHORIZE)
    return flow


async def left_at_sign_in(server: AuthServer, client: OAuthClient) -> str:
    flow = id_behind(await server.browser().open(client.authorize_url(Pkce.new())))
    await timeline(server.redis, flow, *SIGN_IN)
    return flow


async def left_at_consent(server: AuthServer, client: OAuthClient) -> str:
    browser = server.browser()
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    await timeline(server.redis, id_behind(page), *CONSENT)
    return id_behind(page)


async def left_with_the_code(server: AuthServer, client: OAuthClient) -> str:
    flow, _, _ = await _approved(server, client)
    await timeline(server.redis, flow, *CODE)
    return flow


async def left_with_the_tokens(server: AuthServer, client: OAuthClient) -> str:
    flow, code, pkce = await _approved(server, client)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    await timeline(server.redis, flow, *CODE, Step.TOKENS_ISSUED)
    return flow


async def left_after_a_refresh(server: AuthServer, client: OAuthClient) -> str:
    flow, code, pkce = await _approved(server, client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    await timeline(server.redis, flow, *CODE, Step.TOKENS_ISSUED, Step.REFRESHED)
    return flow


async def _approved(server: AuthServer, client: OAuthClient) -> tuple[str, str, Pkce]:
    browser, pkce = server.browser(), Pkce.new()
    page = await browser.sign_in(await browser.open(client.authorize_url(pkce)))
    return id_behind(page), (await browser.decide(page)).parameters["code"], pkce


@pytest.mark.parametrize(
    ("leave", "missing", "seconds"),
    [
        (left_before_the_first_page, f"GET {ISSUER}/oauth/sign-in", PROGRAM_SECONDS),
        (left_at_sign_in, f"POST {ISSUER}/oauth/sign-in", PERSON_SECONDS),
        (left_at_consent, f"POST {ISSUER}/oauth/consent", PERSON_SECONDS),
        (left_with_the_code, f"POST {ISSUER}/oauth/token", PROGRAM_SECONDS),
        (left_with_the_tokens, f"POST {RESOURCE}", PROGRAM_SECONDS),
        (left_after_a_refresh, f"POST {RESOURCE}", PROGRAM_SECONDS),
    ],
)
async def test_an_attempt_that_was_left_says_which_request_never_came(
    server: AuthServer,
    flows: Operator,
    client: OAuthClient,
    leave: Callable[[AuthServer, OAuthClient], Awaitable[str]],
    missing: str,
    seconds: int,
) -> None:
    # The command's clock is the computer's, so the attempt is put into the past.
    server.clock.offset = -float(seconds + 1)
    flow = await leave(server, client)
    shown = await flows.json("show", flow)
    assert shown["state"] == State.STOPPED
    assert shown["missing"].startswith(missing)
    assert shown["causes"]
    assert shown["advice"]
    assert (shown["client_id"], shown["redirect_to"]) == (client.client_id, "client.example.com")
    text = (await flows("show", flow)).stdout
    assert f"Next was to come: {missing}" in text
    assert "{" not in text
    listed = await flows.json("list", "--failed")
    assert [each["flow"] for each in listed] == [flow]


async def test_an_attempt_that_goes_on_is_not_called_a_failure(
    server: AuthServer, flows: Operator, client: OAuthClient
) -> None:
    for leave in (left_at_sign_in, left_at_consent, left_with_the_code, left_with_the_tokens):
        shown = await flows.json("show", await leave(server, client))
        assert (shown["state"], shown["causes"], shown["advice"]) == (State.WAITING, [], [])
        assert shown["missing"]
    assert await flows.json("list", "--failed") == []
    assert len(await flows.json("list")) == 4


@pytest.mark.parametrize(
    ("redirect_uri", "cause"),
    [
        ("http://127.0.0.1:4321/callback", "port"),
        ("cursor://callback", "scheme"),
        ("https://app.example.com/callback", "window"),
    ],
)
async def test_where_a_code_is_lost_depends_on_where_the_app_runs(
    server: AuthServer, flows: Operator, redirect_uri: str, cause: str
) -> None:
    server.clock.offset = -float(PROGRAM_SECONDS + 1)
    client = await server.registered(redirect_uri)
    shown = await flows.json("show", await left_with_the_code(server, client))
    assert cause in shown["causes"][0]


async def test_a_refusal_is_explained_with_what_to_do(
    server: AuthServer, flows: Operator, client: OAuthClient
) -> None:
    flow, code, _ = await _approved(server, client)
    refused(await client.redeem(code, Pkce.new().verifier), 400, "invalid_grant")
    await timeline(server.redis, flow, *CODE, Step.TOKEN_REFUSED)
    shown = await flows.json("show", flow)
    assert shown["state"] == State.REFUSED
    assert "PKCE" in shown["causes"][0]
    assert shown["steps"][-1]["reason"] == "wrong_verifier"
    assert shown["steps"][-1]["client_auth"] == "client_secret_post"
    assert [each["flow"] for each in await flows.json("list", "--failed")] == [flow]


async def test_an_address_in_the_way_names_the_one_that_is_right(
    server: AuthServer, flows: Operator, client: OAuthClient
) -> None:
    url = client.authorize_url(Pkce.new(), resource=f"{RESOURCE}/sse")
    await server.visitor().get(url)
    (flow,) = await attempts(server.redis, 1)
    shown = await flows.json("show", flow)
    assert (shown["state"], shown["steps"][0]["reason"]) == (State.REFUSED, "invalid_target")
    assert any(RESOURCE in advice for advice in shown["advice"])


async def test_a_button_that_was_pressed_twice_hides_nothing(
    server: AuthServer, flows: Operator, client: OAuthClient
) -> None:
    browser = server.browser()
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    await browser.decide(page, decision="deny")
    again = await browser.send(page, decision="deny")
    flow = id_on(again)
    await timeline(server.redis, flow, *CONSENT, Step.DENIED, Step.PAGE_REFUSED)
    assert (await flows.json("show", flow))["state"] == State.DENIED


async def test_the_operator_s_revocation_is_a_step(
    server: AuthServer, flows: Operator, client: OAuthClient, redis_url: str, tmp_path: Path
) -> None:
    flow = await left_with_the_tokens(server, client)
    grant_id = (await flows.json("show", flow))["grant_id"]
    await Operator("grants", redis_url, tmp_path).json("revoke", grant_id)
    shown = await flows.json("show", flow)
    assert (shown["state"], shown["steps"][-1]["reason"]) == (State.REVOKED, "by_operator")


async def test_the_text_tells_each_step_on_a_line(
    server: AuthServer, flows: Operator, client: OAuthClient
) -> None:
    flow = await left_with_the_code(server, client)
    ended = await flows("show", flow)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert flow in lines[0]
    assert client.client_id in lines[1]
    told = [line.split()[3] for line in lines[5 : 5 + len(CODE)]]
    assert told == list(CODE)


@pytest.mark.parametrize("spelled", [str.lower, lambda flow: flow.replace("-", "").removeprefix("flow")])
async def test_an_id_that_was_read_aloud_is_found(
    server: AuthServer, flows: Operator, client: OAuthClient, spelled: Callable[[str], str]
) -> None:
    flow = await left_at_sign_in(server, client)
    assert (await flows.json("show", spelled(flow)))["flow"] == flow


async def test_an_id_of_nothing_is_told_apart_from_no_id(server: AuthServer, flows: Operator) -> None:
    unknown = await flows("show", "flow-0000-0000-0000")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert len(unknown.stderr.splitlines()) == 1
    assert (await flows("show", "flow-UUUU")).returncode == 2


async def test_attempts_are_listed_newest_first_and_by_app(
    server: AuthServer, flows: Operator, client: OAuthClient, public_client: OAuthClient
) -> None:
    server.clock.offset = -200.0
    oldest = await left_at_sign_in(server, client)
    server.clock.advance(100)
    middle = await left_at_consent(server, public_client)
    server.clock.advance(100)
    newest = await left_at_sign_in(server, client)
    assert [each["flow"] for each in await flows.json("list")] == [newest, middle, oldest]
    mine = await flows.json("list", "--client", client.client_id)
    assert [each["flow"] for each in mine] == [newest, oldest]
    ended = await flows("list", "--limit", "1")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["attempt", newest]
    assert "3" in ended.stderr


async def test_a_name_cannot_write_to_the_operator_s_terminal(server: AuthServer, flows: Operator) -> None:
    client = await server.registered(client_name="Green \N{ESCAPE}[32m app")
    flow = await left_at_sign_in(server, client)
    for arguments in (("show", flow), ("list",)):
        ended = await flows(*arguments)
        assert "app" in ended.stdout
        assert "\N{ESCAPE}" not in ended.stdout


async def test_an_empty_store_is_not_taken_for_one_without_attempts(
    server: AuthServer, flows: Operator
) -> None:
    kept = await server.redis.hgetall("vt:meta:key-check")
    await server.redis.delete("vt:meta:key-check")
    try:
        ended = await flows("list", "--json")
    finally:
        await server.redis.hset("vt:meta:key-check", mapping=kept)
    assert (ended.returncode, ended.stdout) == (1, "")
