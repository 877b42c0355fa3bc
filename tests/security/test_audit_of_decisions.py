"""What both services decide is in the audit log, without a secret; no fault of the log changes an answer."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from dev.flow import OAuthClient, Pkce
from shared.audit import files as audit_files
from shared.audit.chain import ChainKey
from shared.audit.heads import HeadStore
from shared.audit.reading import files_in
from shared.clock import Clock
from shared.redis.client import StoreError
from shared.settings import SettingsError
from tests.auth_server.deployment import ADA, ENCRYPTION_KEY, settings_of
from tests.requirements import requirement
from tests.security.deployment import Deploy, Deployment
from tests.security.flows import Story, live_through
from tests.security.test_canaries import misuse_the_endpoints, use_the_tools
from tests.support.audit_files import problems_in, records_in, told
from tests.support.operator import Operator

pytestmark = pytest.mark.anyio

Told = tuple[str, str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the log is kept; the services make the folder."""
    return tmp_path / "audit"


@pytest.fixture
def audit(redis_url: str, tmp_path: Path, folder: Path) -> Operator:
    """Return the way to run the commands."""
    return Operator("audit", redis_url, tmp_path, {"AUDIT_LOG_DIR": str(folder)})


async def connected(deployment: Deployment, **metadata: Any) -> tuple[OAuthClient, dict[str, Any]]:
    """Return a client with its tokens."""
    client = deployment.client()
    await client.register(**metadata)
    return client, await client.tokens(deployment.browser())


def sealer_of(deployment: Deployment) -> Any:
    return deployment.auth.settings.sealer


async def test_a_whole_flow_is_told_by_both_services(deploy: Deploy, folder: Path, redis: Redis) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        client, tokens = await connected(deployment)
        mcp = deployment.mcp(tokens["access_token"])
        await mcp.call("get_me")
        await mcp.call("no_such_tool")
        await mcp.modern("resources/read", {"uri": "valtown://me"})
        await mcp.modern("prompts/get", {"name": "valley", "arguments": {"request": "a clock"}})
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        await client.revoke(tokens["refresh_token"])
    assert told(folder, "auth_server") == [
        ("client_registered", "allowed", ""),
        ("authorization_requested", "allowed", ""),
        ("signed_in", "allowed", "api_token"),
        ("consent_given", "allowed", ""),
        ("token_issued", "allowed", "authorization_code"),
        ("token_issued", "allowed", "refresh_token"),
        ("grant_revoked", "allowed", "revoked_by_client"),
    ]
    assert told(folder, "mcp_server") == [
        ("tool_called", "allowed", ""),
        ("tool_called", "denied", "refused"),
        ("resource_read", "allowed", ""),
        ("scope_checked", "denied", "insufficient_scope"),
    ]
    assert problems_in(folder, sealer_of(deployment), await HeadStore(redis, Clock()).read()) == []
    decisions = [each for each in records_in(folder) if each["event"] not in ("opened", "closed")]
    issued = next(each for each in decisions if each["event"] == "token_issued")
    called = next(each for each in decisions if each["event"] == "tool_called")
    for member in ("subject", "client_id", "grant_id", "token_id"):
        assert issued[member] == called[member] != ""
    assert called["name"] == "get_me"
    assert called["arguments"] == ChainKey(sealer_of(deployment)).digest({})
    # The request of the authorization is found by the attempt, which the consent has too.
    flows = {each["event"]: each.get("flow") for each in decisions}
    assert flows["authorization_requested"] == flows["consent_given"] == flows["token_issued"]
    assert all(each["request_id"] for each in decisions)


async def test_denials_are_told(deploy: Deploy, folder: Path) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        visitor = deployment.visitor()
        client, tokens = await connected(deployment)
        await visitor.post("/oauth/register", json={"redirect_uris": ["http://elsewhere.test/x"]})
        await visitor.get("/oauth/authorize", params={"client_id": "nobody"})
        await visitor.get(client.authorize_url(Pkce.new(), code_challenge=None))
        browser = deployment.browser("vtwn_wrong")
        await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
        browser = deployment.browser()
        page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
        await browser.decide(page, decision="deny")
        await client.post("/oauth/token", {"grant_type": "authorization_code", "client_secret": "wrong"})
        await client.post("/oauth/introspect", {"token": "nothing"})
        await visitor.post("/account/revoke", data={"grant": "any"})
        await deployment.mcp().call("get_me")
        await deployment.mcp(tokens["access_token"] + "x").call("get_me")
        mcp = deployment.mcp(tokens["access_token"])
        await mcp.post(b"{}", host="elsewhere.test")
        await mcp.post(b"{}", origin="https://elsewhere.test")
        await mcp.post(b"{")
    of_auth = told(folder, "auth_server")
    expected: tuple[Told, ...] = (
        ("client_registered", "denied", "invalid_redirect_uri"),
        ("authorization_requested", "denied", "unknown_client"),
        ("authorization_requested", "denied", "code_challenge"),
        ("signed_in", "denied", "api_token_refused"),
        ("consent_given", "denied", "by_person"),
        ("token_issued", "denied", "client_secret"),
        ("grant_revoked", "denied", "stale_page"),
    )
    assert [each for each in expected if each not in of_auth] == [], of_auth
    assert told(folder, "mcp_server") == [
        ("credential_checked", "denied", "no_credentials"),
        ("credential_checked", "denied", "malformed"),
        ("request_read", "denied", "wrong_host"),
        ("request_read", "denied", "foreign_origin"),
        ("request_read", "denied", "unreadable"),
    ]


async def test_an_issuer_with_a_path_tells_the_same(deploy: Deploy, folder: Path) -> None:
    issuer = "https://auth.test/base"
    async with deploy(audit_log_dir=str(folder), oauth_issuer_url=issuer) as deployment:
        visitor = deployment.visitor()
        await visitor.post(f"{issuer}/oauth/register", json={"redirect_uris": ["http://elsewhere.test/x"]})
        await visitor.get(f"{issuer}/oauth/consent", params={"txn": "none"})
    assert told(folder, "auth_server") == [
        ("client_registered", "denied", "invalid_redirect_uri"),
        ("consent_given", "denied", "stale_page"),
    ]


async def test_a_scope_that_is_missing_and_a_tool_that_fails_are_told(deploy: Deploy, folder: Path) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        client = deployment.client()
        await client.register()
        tokens = await client.tokens(deployment.browser(), scope="user:read")
        mcp = deployment.mcp(tokens["access_token"])
        await mcp.call("list_my_vals")
        deployment.auth.val_town.fault = lambda request: httpx.Response(500)
        await mcp.call("get_me")
    assert told(folder, "mcp_server") == [
        ("scope_checked", "denied", "insufficient_scope"),
        ("tool_called", "failed", "tool_error"),
    ]
    refused = next(each for each in records_in(folder) if each["event"] == "scope_checked")
    assert (refused["name"], refused["scopes"]) == ("list_my_vals", "vals:read")


async def test_reuse_is_told_as_a_refusal_and_as_the_end_of_the_grant(
    deploy: Deploy, folder: Path, clock: Clock
) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        client, tokens = await connected(deployment)
        await client.refresh(tokens["refresh_token"])
        clock.advance(120)
        await client.refresh(tokens["refresh_token"])
    assert told(folder, "auth_server")[-2:] == [
        ("grant_revoked", "allowed", "refresh_token_reused"),
        ("token_issued", "denied", "reused"),
    ]
    grants = {each["grant_id"] for each in records_in(folder) if each["event"] == "grant_revoked"}
    issued = {each["grant_id"] for each in records_in(folder) if each["event"] == "token_issued"}
    assert grants == issued


@requirement("L236")
async def test_no_secret_is_in_the_audit_log(deploy: Deploy, folder: Path) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        story = await live_through(deployment)
        await use_the_tools(deployment, story)
        await misuse_the_endpoints(deployment, story)
        await say_what_is_nobody_elses(deployment, story)
    log = b"".join(path.read_bytes() for path in files_in(folder)).decode()
    assert [name for name, value in story.secrets.items() if as_text(value) in log] == []
    assert ENCRYPTION_KEY not in log
    assert len(told(folder)) > 40
    # What the digests are of is not all that is there.
    assert {event for event, _, _ in told(folder, "mcp_server")} >= {"tool_called", "credential_checked"}


async def say_what_is_nobody_elses(deployment: Deployment, story: Story) -> None:
    """Send canaries wherever a caller may say something."""
    word = "canary-of-the-audit-log"
    story.secrets["canary"] = word
    story.secrets["name"] = "ada@example.com"
    mcp = deployment.mcp(story.tokens["access_token"])
    await mcp.call("write_file", val="x", path=word, content=word)
    await mcp.call(word, **{word: word})
    await mcp.modern("resources/read", {"uri": f"valtown://vals/{word}/{word}/readme"})
    await mcp.modern("prompts/get", {"name": word, "arguments": {word: word}})
    await mcp.modern(word, {word: word})
    await mcp.post({word: word})
    visitor = deployment.visitor()
    fields = ("client_id", "redirect_uri", "state", "scope", "code_challenge", "resource", "prompt")
    await visitor.get("/oauth/authorize", params=dict.fromkeys(fields, word))
    await visitor.get(story.public.authorize_url(Pkce.new(), state=word, scope=word))
    form = ("grant_type", "code", "code_verifier", "client_id", "client_secret", "refresh_token", "scope")
    for grant_type in ("authorization_code", "refresh_token"):
        data = {**dict.fromkeys(form, word), "grant_type": grant_type}
        await visitor.post("/oauth/token", data=data)
    for path in ("revoke", "introspect"):
        await story.confidential.post(f"/oauth/{path}", {"token": word, "token_type_hint": word})
    await visitor.post(
        "/oauth/register", json={"redirect_uris": [f"https://x.test/{word}"], "client_name": word}
    )
    await visitor.get(f"/oauth/register/{word}", headers={"Authorization": f"Bearer {word}"})
    await visitor.post("/account/revoke", data={"grant": word}, headers={"X-Request-Id": "a b"})


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def make_old(folder: Path) -> None:
    for path in files_in(folder):
        os.utime(path, (1, 1))


def as_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class Stuck:
    """A disk that does not answer."""

    def __init__(self) -> None:
        """Begin stuck."""
        self.answers = threading.Event()

    def __call__(self, descriptor: int, data: bytes) -> None:
        """Wait for as long as a test takes."""
        self.answers.wait(30)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the disk not answer."""
    disk = Stuck()
    monkeypatch.setattr(audit_files, "write_all", disk)
    monkeypatch.setattr("shared.audit.log.CLOSE_SECONDS", 0.05)
    yield
    disk.answers.set()


@pytest.mark.usefixtures("stuck")
async def test_a_disk_that_does_not_answer_changes_no_answer(deploy: Deploy, folder: Path) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        _, tokens = await connected(deployment)
        assert (await deployment.mcp(tokens["access_token"]).call("get_me")).status_code == 200
        assert (await deployment.mcp().call("get_me")).status_code == 401


def put_a_file_in_its_place(folder: Path) -> None:
    if folder.exists():
        folder.rename(folder.with_name("elsewhere"))
    folder.write_text("a file in its place")


async def test_a_folder_that_vanishes_changes_no_answer(deploy: Deploy, folder: Path) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        put_a_file_in_its_place(folder)
        _, tokens = await connected(deployment)
        assert (await deployment.mcp(tokens["access_token"]).call("get_me")).status_code == 200


async def test_a_store_that_takes_no_heads_changes_nothing(
    deploy: Deploy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(HeadStore, "keep", fail)
    async with deploy(audit_log_dir=str(folder)) as deployment:
        _, tokens = await connected(deployment)
        assert (await deployment.mcp(tokens["access_token"]).call("get_me")).status_code == 200
    assert problems_in(folder, sealer_of(deployment)) == []
    assert ("tool_called", "allowed", "") in told(folder)


async def test_two_replicas_write_two_files_and_one_store_knows_both(
    deploy: Deploy, folder: Path, redis: Redis
) -> None:
    async with deploy(audit_log_dir=str(folder)) as one, deploy(audit_log_dir=str(folder)) as other:
        await connected(one)
        await connected(other)
    heads = await HeadStore(redis, Clock()).read()
    assert {path.name for path in files_in(folder)} == heads.keys()
    assert len(heads) == 4
    assert problems_in(folder, sealer_of(one), heads) == []


async def test_nothing_is_kept_where_no_folder_is_named(deploy: Deploy, folder: Path, redis: Redis) -> None:
    async with deploy() as deployment:
        await connected(deployment)
    assert contents(folder.parent) == []
    assert await HeadStore(redis, Clock()).read() == {}


async def test_verify_names_the_file_and_the_record(deploy: Deploy, folder: Path, audit: Operator) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        await connected(deployment)
    found = await audit.json("verify")
    assert (found["ok"], found["store_compared"], len(found["files"])) == (True, True, 2)
    path = next(each for each in files_in(folder) if each.name.startswith("auth_server"))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"consent_given", b"consent_taken"))
    ended = await audit("verify")
    assert ended.returncode == 1
    assert f"{path.name}, line 5: was changed." in ended.stdout
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
    ended = await audit("verify")
    assert (ended.returncode, "is not the end" in ended.stdout) == (1, True)
    # Without the store it cannot be told, and that is said.
    ended = await audit("verify", REDIS_URL="redis://127.0.0.1:1/0")
    assert (ended.returncode, "The store does not answer" in ended.stdout) == (0, True)
    path.unlink()
    ended = await audit("verify")
    assert (ended.returncode, f"{path.name}: is missing" in ended.stdout) == (1, True)


async def test_trace_joins_both_services(deploy: Deploy, folder: Path, audit: Operator) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        _, tokens = await connected(deployment)
        await connected(deployment, client_name="Another")
        await deployment.mcp(tokens["access_token"]).call("get_me")
    grant_id = next(each for each in records_in(folder, "mcp_server") if "grant_id" in each)["grant_id"]
    records = await audit.json("trace", grant_id)
    assert [each["event"] for each in records] == [
        "authorization_requested",
        "signed_in",
        "consent_given",
        "token_issued",
        "tool_called",
    ]
    assert all(each["genuine"] for each in records)
    shown = await audit("trace", grant_id)
    assert (shown.returncode, "get_me" in shown.stdout) == (0, True)
    assert (await audit("trace", "no-such-grant")).returncode == 1


async def test_a_suspicion_about_arguments_can_be_confirmed(
    deploy: Deploy, folder: Path, audit: Operator, tmp_path: Path
) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        _, tokens = await connected(deployment)
        await deployment.mcp(tokens["access_token"]).call("get_val", val="ada/blog", unused="é")
    suspected = tmp_path / "arguments.json"
    suspected.write_text('{"unused": "\\u00e9", "val": "ada/blog"}')
    called = next(each for each in records_in(folder) if each["event"] == "tool_called")
    assert list((await audit.json("digest", str(suspected))).values()) == [called["arguments"]]
    assert (await audit("digest", str(tmp_path / "nothing"))).returncode == 1


async def test_what_is_pruned_is_not_missed(
    deploy: Deploy, folder: Path, audit: Operator, redis: Redis
) -> None:
    async with deploy(audit_log_dir=str(folder)) as deployment:
        await connected(deployment)
        # However old: what is being written stays.
        make_old(folder)
        assert (await audit.json("prune", "--days", "30"))["removed"] == []
    make_old(folder)
    assert (await audit.json("prune", "--days", "30", "--dry-run"))["removed"] == []
    assert len((await audit.json("prune", "--days", "30"))["removed"]) == 2
    assert told(folder) == [("pruned", "allowed", "by_operator")]
    assert (await audit.json("verify"))["ok"]


async def test_what_an_operator_does_is_told(
    deploy: Deploy, folder: Path, redis_url: str, tmp_path: Path
) -> None:
    grants = Operator("grants", redis_url, tmp_path, {"AUDIT_LOG_DIR": str(folder)})
    async with deploy(audit_log_dir=str(folder)) as deployment:
        await connected(deployment)
        (grant,) = await grants.json("list")
        await grants.json("revoke", grant["grant_id"])
        assert problems_in(folder, sealer_of(deployment), whole=False) == []
    assert ("grant_revoked", "allowed", "revoked_by_operator") in told(folder)
    assert len(files_in(folder)) == 3


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("file", "is none"), ("file/below", "is none")],
)
def test_a_folder_that_cannot_be_is_refused_at_the_start(tmp_path: Path, place: str, sentence: str) -> None:
    (tmp_path / "file").write_text(ADA)
    with pytest.raises((SettingsError, ValueError), match=sentence):
        settings_of(audit_log_dir=str(tmp_path / place))
