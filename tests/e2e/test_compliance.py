"""`make compliance`: passes against a good deployment, and names what is wrong with a bad one."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from dev.deployment import ROOT, Deployment, deploy, environment
from dev.environment import SANDBOX_TOKENS
from tests.e2e.edge import Edge, Fault, Headers, no_fault, open_edge

pytestmark = pytest.mark.e2e


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dev.compliance"],
        env=environment({}) | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def check(url: str) -> subprocess.CompletedProcess[str]:
    return run(TEST_SERVER_URL=url, VAL_TOWN_API_TOKEN=SANDBOX_TOKENS[0])


def vals(deployment: Deployment) -> object:
    response = httpx.get(
        f"{deployment.settings['VAL_TOWN_API_URL']}/v2/me/vals",
        params={"limit": 100, "offset": 0},
        headers={"Authorization": f"Bearer {SANDBOX_TOKENS[0]}"},
    )
    return response.raise_for_status().json()["data"]


@pytest.fixture(scope="module")
def edge(
    deployment: Deployment, database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Return a proxy in front of services that know one origin, and take no legacy header."""
    with open_edge() as opened:
        settings = {
            "OAUTH_ISSUER_URL": opened.url,
            "MCP_RESOURCE_URL": f"{opened.url}/mcp",
            "VAL_TOWN_API_URL": deployment.settings["VAL_TOWN_API_URL"],
            "LEGACY_TOKEN_AUTH": "false",
        }
        with deploy(database(4), tmp_path_factory.mktemp("one-origin"), **settings) as services:
            opened.auth = f"http://127.0.0.1:{services.settings['AUTH_PORT']}"
            opened.mcp = f"http://127.0.0.1:{services.settings['MCP_PORT']}"
            yield opened


def test_two_origins_pass_and_the_account_is_as_before(deployment: Deployment) -> None:
    before = vals(deployment)
    # By the origin, and by the very URL of the endpoint.
    for url in (deployment.resource.removesuffix("/mcp"), deployment.resource):
        checked = check(url)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        last = checked.stdout.splitlines()[-1]
        passed = re.fullmatch(r"(\d+) passed, 0 failed", last)
        assert passed is not None, last
        assert int(passed.group(1)) >= 50
        assert "FAIL" not in checked.stdout
        assert checked.stdout.count("\nok   ") == int(passed.group(1))
    assert vals(deployment) == before


def test_one_origin_passes_and_says_what_was_skipped(edge: Edge) -> None:
    edge.fault = no_fault
    checked = check(edge.url)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "skip legacy header: " in checked.stdout


def without_iss(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    return [(name, _without_iss(value) if name == "location" else value) for name, value in headers], body


def _without_iss(location: str) -> str:
    parts = urlsplit(location)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0] != "iss"]
    return parts._replace(query=urlencode(pairs)).geturl()


def without(wanted: str) -> Fault:
    def fault(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        return [(name, value) for name, value in headers if name != wanted], body

    return fault


def scripts_read_cookies(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    return [(name, value.replace("HttpOnly; ", "")) for name, value in headers], body


def issuer_with_slash(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    return headers, re.sub(rb'"issuer":"([^"]+)"', rb'"issuer":"\1/"', body)


def scope_never_narrowed(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    return headers, body.replace(b'"scope":"vals:read"', b'"scope":"read"')


FAULTS: dict[str, tuple[Fault, str]] = {
    "no iss": (without_iss, "FAIL rfc9207 code: iss comes with it: expected http://localhost:"),
    "tokens in caches": (
        without("cache-control"),
        "FAIL rfc6749 token response: nobody may store it: ",
    ),
    "no challenge": (
        without("www-authenticate"),
        "FAIL rfc9728 challenge: it names resource_metadata: ",
    ),
    "pages in frames": (
        without("content-security-policy"),
        "FAIL consent page: no site may frame it (CSP): ",
    ),
    "cookies for scripts": (
        scripts_read_cookies,
        "FAIL session cookie: out of reach of scripts and other sites: ",
    ),
    "issuer with a slash": (
        issuer_with_slash,
        "FAIL rfc8414 metadata: issuer equals the URL it was fetched from: ",
    ),
    "scope never narrowed": (
        scope_never_narrowed,
        "FAIL rfc6749 refresh: it can ask for less: expected vals:read, got read",
    ),
}


@pytest.mark.parametrize(("fault", "named"), FAULTS.values(), ids=FAULTS)
def test_damaged_deployment_fails_and_the_check_is_named(edge: Edge, fault: Fault, named: str) -> None:
    edge.fault = fault
    checked = check(edge.url)
    assert checked.returncode == 1, checked.stdout
    assert named in checked.stdout
    assert re.fullmatch(r"\d+ passed, [1-9]\d* failed", checked.stdout.splitlines()[-1])
    assert checked.stderr == ""


def test_wrong_val_town_token_fails_at_the_sign_in(deployment: Deployment) -> None:
    checked = run(TEST_SERVER_URL=deployment.resource, VAL_TOWN_API_TOKEN="vtwn_nobody")
    assert checked.returncode == 1
    assert "FAIL sign-in: a right token leads on with 303" in checked.stdout
    assert checked.stderr == ""


def test_server_that_is_not_there_fails(deployment: Deployment) -> None:
    checked = check("http://127.0.0.1:9")
    assert checked.returncode == 1
    assert "FAIL discovery: every step: " in checked.stdout
    assert checked.stdout.splitlines()[-1] == "0 passed, 1 failed"


def test_missing_settings_are_named_all_at_once() -> None:
    checked = run()
    assert checked.returncode == 2
    assert [line.partition(" ")[0] for line in checked.stderr.splitlines()] == [
        "TEST_SERVER_URL",
        "VAL_TOWN_API_TOKEN",
    ]
    assert checked.stdout == ""
